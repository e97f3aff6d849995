"""What has become of the drafting where it has made no bid: it failed, or there is nothing to bid.

The last look at each gate is kept for two days, so that an empty gate says why it is empty and a
gate that closes on a failure calls people. What a gate's price would have to do is as secret as a
bid and sealed like one; why a drafting failed names no price and stays in clear.
"""

import json
from dataclasses import dataclass, replace
from typing import Final

from cloud.db import Pool, connection
from cloud.vault.rows import RowPlace
from cloud.vault.vault import Vault
from contract.words import NO_WORDS, Words

_KEPT_MS: Final = 2 * 86_400_000
"""As far back as gates that closed on nothing are counted."""
_MOST_CHARS: Final = 500
_KEEP: Final = """
INSERT INTO draft_looks
SELECT id, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s FROM stations WHERE id = %s
ON CONFLICT (station, market, product, begin_ms) DO UPDATE
SET (end_ms, gate_ms, looked_ms, failed, why, why_zh, late, sealed)
    = (excluded.end_ms, excluded.gate_ms, excluded.looked_ms, excluded.failed, excluded.why,
       excluded.why_zh, excluded.late, excluded.sealed)
"""
_FORGET: Final = (
    "DELETE FROM draft_looks WHERE (station, market, product) = (%s, %s, %s) AND gate_ms < %s"
)
_ENDED: Final = (
    "UPDATE draft_looks SET late = false WHERE (station, market, product) = (%s, %s, %s) AND late"
)


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a gate that has made no bid.

    Attributes:
        station, market, product: ids.
        begin_ms, end_ms: of the block, UTC epoch.
        gate_ms: when its gate closes.
        failed: whether the drafting failed; False: nothing pays, or nothing can be bid.
        why: of a failure; of a rest, what its price would have to do and when the energy is used
            better. Empty: nothing is told.
        late: whether the drafting still goes on, for longer than it may.
    """

    station: str
    market: str
    product: str
    begin_ms: int
    end_ms: int
    gate_ms: int
    failed: bool
    why: Words = NO_WORDS
    late: bool = False


async def keep_look(pool: Pool, vault: Vault, look: Look, now_ms: int) -> None:
    """Keep the last look at a gate; what is older than two days goes.

    Nothing is kept of a station that is not there: that is what its desk has to tell.
    """
    place = look.station, look.market, look.product
    clear, sealed = look.why, b""
    if not look.failed and look.why.en:
        keys = await vault.keys(look.station)
        clear, sealed = NO_WORDS, keys.seal(_place(look), json.dumps(look.why).encode())
    row = (
        *(look.market, look.product, look.begin_ms, look.end_ms, look.gate_ms, now_ms),
        *(look.failed, clear.en[:_MOST_CHARS], clear.zh[:_MOST_CHARS], look.late, sealed),
        look.station,
    )
    async with connection(pool) as conn:
        await conn.execute(_KEEP, row)
        await conn.execute(_FORGET, [*place, now_ms - _KEPT_MS])


async def drafting_ended(pool: Pool, station: str, market: str, product: str) -> None:
    """Note that the drafting of a product does not go on any more, whatever came of it."""
    async with connection(pool) as conn:
        await conn.execute(_ENDED, [station, market, product])


async def looks_at(pool: Pool, vault: Vault, station: str, from_ms: int) -> tuple[Look, ...]:
    """Return the looks at a station's gates that close then or later.

    Raises:
        KeyStoreError: what is told of one cannot be opened.
    """
    async with connection(pool) as conn:
        found = await conn.execute(
            "SELECT market, product, begin_ms, end_ms, gate_ms, failed, why, why_zh, late, sealed"
            " FROM draft_looks WHERE station = %s AND gate_ms >= %s ORDER BY gate_ms, begin_ms",
            [station, from_ms],
            binary=True,
        )
        rows = await found.fetchall()
    looks = []
    for market, product, begin_ms, end_ms, gate_ms, failed, en, zh, late, sealed in rows:
        times = begin_ms, end_ms, gate_ms
        look = Look(station, market, product, *times, failed, Words(en, zh or en), late)
        if sealed:
            told = (await vault.keys(station)).open(_place(look), sealed)
            look = replace(look, why=Words(*json.loads(told)))
        looks.append(look)
    return tuple(looks)


def _place(look: Look) -> RowPlace:
    return RowPlace("draft_looks", (look.station, look.market, look.product, str(look.begin_ms)))
