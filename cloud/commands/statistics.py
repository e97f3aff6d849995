"""How well commands are carried out: how many, by whom, how fast, and how many went wrong."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, LiteralString

from cloud.commands.asking import Asked
from cloud.db import Pool, connection
from contract.commands import CommandState

MOST_COUNTED: Final = 200_000
"""Commands that one answer counts, the newest of the range: half a second of the database."""

_NEWEST: Final[LiteralString] = (
    "SELECT state, source, issued_ms, accepted_ms, settled_ms FROM commands WHERE {where}"
    " ORDER BY issued_ms DESC LIMIT %(most)s"
)
_COUNTS: Final[LiteralString] = (
    "SELECT state, source, count(*), min(issued_ms) FROM ({newest}) AS c GROUP BY state, source"
)
_TIMES: Final[LiteralString] = """
SELECT percentile_disc(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY accepted_ms - issued_ms)
           FILTER (WHERE accepted_ms > 0),
       percentile_disc(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY settled_ms - accepted_ms)
           FILTER (WHERE state = 'delivered' AND accepted_ms > 0)
FROM ({newest}) AS c
"""


@dataclass(frozen=True)
class Delay:
    """Half of the commands took at most `p50_ms`, 99 of 100 at most `p99_ms`."""

    p50_ms: int
    p99_ms: int


@dataclass(frozen=True)
class Statistics:
    """What became of the commands of a range.

    Attributes:
        total: commands counted.
        complete: whether these are all of the range; else the newest of it.
        since_ms: issue of the oldest one counted; None without any.
        states, sources: how many by state and by source; those without any are left out.
        acceptance: from issue to the device's acceptance; None without any.
        delivery: from acceptance to the measurement that shows it; None without any.
    """

    total: int
    complete: bool
    since_ms: int | None
    states: Mapping[CommandState, int]
    sources: Mapping[str, int]
    acceptance: Delay | None
    delivery: Delay | None

    @property
    def not_delivered(self) -> float | None:
        """Share that failed, of those delivered or failed; None without any.

        A set-point that a newer one has superseded was neither.
        """
        failed = self.states.get(CommandState.FAILED, 0)
        judged = failed + self.states.get(CommandState.DELIVERED, 0)
        return failed / judged if judged else None


async def statistics(pool: Pool, asked: Asked, most: int = MOST_COUNTED) -> Statistics:
    """Count the asked commands, at most the newest `most` of them."""
    newest: LiteralString = _NEWEST.replace("{where}", asked.where())
    values = asked.values() | {"most": most}
    async with connection(pool) as conn:
        counts = await conn.execute(_COUNTS.replace("{newest}", newest), values)
        groups = await counts.fetchall()
        times = await conn.execute(_TIMES.replace("{newest}", newest), values)
        acceptance, delivery = await times.fetchone() or (None, None)
    states: dict[CommandState, int] = {}
    sources: dict[str, int] = {}
    for state, source, count, _ in groups:
        states[CommandState(state)] = states.get(CommandState(state), 0) + count
        sources[source] = sources.get(source, 0) + count
    total = sum(states.values())
    return Statistics(
        total=total,
        complete=total < most,
        since_ms=min((group[3] for group in groups), default=None),
        states=states,
        sources=dict(sorted(sources.items(), key=lambda pair: -pair[1])),
        acceptance=_delay(acceptance),
        delivery=_delay(delivery),
    )


def _delay(quantiles: list[int] | None) -> Delay | None:
    return None if quantiles is None else Delay(*quantiles)
