"""What people do to alarms: answer, shelve, take out of service.

Each act is permitted, checked, written for ever and audited in one transaction, or refused with the
reason. It answers what its person has seen, and nothing that comes to light later.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg.types.json import Jsonb

from cloud.access import Action, Resource, User, authorize
from cloud.alarms import store
from cloud.alarms.definitions import Definitions
from cloud.alarms.engine import Work, retell
from cloud.alarms.fold import life_from_json
from cloud.alarms.refusals import Refusal, Why, refusal
from cloud.alarms.states import Change, Life
from cloud.alarms.store import Connection
from cloud.db import Pool, connection
from cloud.errors import NotFound, Refused
from cloud.vault.vault import Vault

LONGEST_SHELF_MS: Final = 8 * 3_600_000
"""ISA-18.2 asks for a limit; one shift."""
MOST_ALARMS: Final = 1_000
_MOST_REASON: Final = 500
_ACTIONS: Final[Mapping[Change, Action]] = {
    Change.ACKNOWLEDGED: Action.ANSWER_ALARM,
    Change.RESET: Action.ANSWER_ALARM,
    Change.SHELVED: Action.SHELVE_ALARM,
    Change.UNSHELVED: Action.SHELVE_ALARM,
    Change.TAKEN_OUT: Action.TAKE_ALARM_OUT,
    Change.PUT_BACK: Action.TAKE_ALARM_OUT,
}
_AUDITED: Final[Mapping[Change, str]] = {
    Change.ACKNOWLEDGED: "acknowledge_alarm",
    Change.RESET: "reset_alarm",
    Change.SHELVED: "shelve_alarm",
    Change.UNSHELVED: "unshelve_alarm",
    Change.TAKEN_OUT: "take_alarm_out_of_service",
    Change.PUT_BACK: "put_alarm_back_in_service",
}
_NEED_REASON: Final = frozenset({Change.SHELVED, Change.TAKEN_OUT, Change.PUT_BACK})


class ActForbidden(Refused):
    """The person may not do this."""

    code = "forbidden"
    status = 403


class NoSuchAlarm(NotFound):
    """No alarm has this number."""

    code = "no_such_alarm"

    def __init__(self, alarm: int) -> None:
        super().__init__(f"there is no alarm {alarm}")


class ActRefused(Refused):
    """The alarm is not in a state for this act, or the act lacks what it needs.

    Its code is that of the one reason, or `several_reasons`.

    Attributes:
        refused: why, by alarm; empty where the act itself lacks something.
    """

    status = 422

    def __init__(self, *why: Refusal, refused: Mapping[int, Refusal] | None = None) -> None:
        self.refused: Mapping[int, Refusal] = refused or {}
        reasons = [*why, *self.refused.values()]
        codes = {reason.code.value for reason in reasons}
        text = "; ".join(dict.fromkeys(reason.text for reason in reasons))
        super().__init__(text, code=codes.pop() if len(codes) == 1 else "several_reasons")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One act.

    Attributes:
        change: what is to happen.
        reason: why; required for shelving and for service.
        until_ms: end of a shelf life.
        seen_onset_ms: per alarm, the onset that the person looks at; a later one is not answered.
    """

    change: Change
    reason: str = ""
    until_ms: int = 0
    seen_onset_ms: Mapping[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an act: the alarms done, and why others were left as they are."""

    done: tuple[int, ...]
    refused: Mapping[int, Refusal]


@dataclass(frozen=True)
class Desk:
    """Where people act on alarms."""

    pool: Pool
    vault: Vault
    definitions: Definitions

    async def act(self, user: User, alarms: Sequence[int], wanted: Wanted, now_ms: int) -> Outcome:
        """Do one thing to some alarms; those that it cannot be done to stay as they are.

        Raises:
            NoSuchAlarm: there is no such alarm.
            ActForbidden: the person may not do this at a station concerned; nothing is done.
            ActRefused: the act lacks its reason or its limit; or it could be done to none of the
                alarms, and the text says why.
        """
        _check_wanted(wanted, now_ms)
        if not 1 <= len(set(alarms)) <= MOST_ALARMS:
            raise ActRefused(Refusal(Why.NUMBER_OF_ALARMS, f"name 1 to {MOST_ALARMS} alarms"))
        stations = await self._stations(alarms)
        for station in stations:
            decision = authorize(user, _ACTIONS[wanted.change], Resource("station", station))
            if not decision.allowed:
                raise ActForbidden(decision.rule)
        done: list[int] = []
        refused: dict[int, Refusal] = {}
        for station, ids in stations.items():
            part = await self._act(user, station, ids, wanted, now_ms)
            done += part.done
            refused |= part.refused
        if not done:
            raise ActRefused(refused=refused)
        return Outcome(tuple(done), refused)

    async def _stations(self, alarms: Iterable[int]) -> dict[str, list[int]]:
        wanted = sorted(set(alarms))
        async with connection(self.pool) as conn:
            found = await conn.execute(
                "SELECT id, station FROM alarms WHERE id = ANY(%s) ORDER BY station, id", [wanted]
            )
            rows = await found.fetchall()
        missing = set(wanted) - {row[0] for row in rows}
        if missing:
            raise NoSuchAlarm(min(missing))
        stations: dict[str, list[int]] = {}
        for alarm, station in rows:
            stations.setdefault(station, []).append(alarm)
        return stations

    async def _act(
        self, user: User, station: str, ids: Sequence[int], wanted: Wanted, now_ms: int
    ) -> Outcome:
        keys = await self.vault.keys(station)
        async with connection(self.pool) as conn, conn.transaction():
            await store.lock(conn, station)
            lives = await _lives(conn, ids)
            known = await store.by_ids(conn, ids)
            done: dict[int, Life] = {}
            refused: dict[int, Refusal] = {}
            for alarm in ids:
                rule = known[alarm].rule(self.definitions)
                life = lives[alarm]
                why = refusal(life, rule, wanted.change) or _unseen(alarm, life, wanted)
                if why:
                    refused[alarm] = why
                else:
                    done[alarm] = life
            if done:
                from_ms = await _write(conn, user, wanted, done, now_ms)
                await _audit(conn, user, station, wanted, list(done))
                await retell(Work(conn, keys, self.definitions, station, now_ms), from_ms)
        return Outcome(tuple(done), refused)


def _check_wanted(wanted: Wanted, now_ms: int) -> None:
    reason = wanted.reason.strip()
    if wanted.change in _NEED_REASON and not reason:
        raise ActRefused(Refusal(Why.NO_REASON, "give a reason: it is kept with the act"))
    if len(reason) > _MOST_REASON:
        said = f"the reason has {len(reason)} characters; use at most {_MOST_REASON}"
        raise ActRefused(Refusal(Why.REASON_TOO_LONG, said))
    if wanted.change is Change.SHELVED and not now_ms < wanted.until_ms <= (
        now_ms + LONGEST_SHELF_MS
    ):
        said = "an alarm is shelved for at most 8 h from now; choose an earlier end"
        raise ActRefused(Refusal(Why.SHELF_TOO_LONG, said))


def _unseen(alarm: int, life: Life, wanted: Wanted) -> Refusal | None:
    seen = (wanted.seen_onset_ms or {}).get(alarm)
    answers = wanted.change in (Change.ACKNOWLEDGED, Change.RESET)
    if answers and seen is not None and life.onset_ms > seen:
        said = "it has come again since you looked; look again and acknowledge that"
        return Refusal(Why.COME_AGAIN, said)
    return None


async def _lives(conn: Connection, ids: Sequence[int]) -> dict[int, Life]:
    found = await conn.execute("SELECT id, life FROM alarms WHERE id = ANY(%s)", [list(ids)])
    return {alarm: life_from_json(life) for alarm, life in await found.fetchall()}


_WRITE: Final = """
INSERT INTO alarm_acts (alarm, change, at_ms, effective_ms, seen_raised_ms, until_ms, actor, reason)
SELECT w.alarm, %(change)s, %(at_ms)s, w.effective_ms, w.seen_ms, %(until_ms)s, %(actor)s,
       %(reason)s
FROM unnest(%(alarm)s::bigint[], %(effective_ms)s::bigint[], %(seen_ms)s::bigint[])
    AS w(alarm, effective_ms, seen_ms)
"""


async def _write(
    conn: Connection, user: User, wanted: Wanted, lives: Mapping[int, Life], now_ms: int
) -> dict[int, int]:
    """Write the acts; return since when each alarm has something new."""
    answers = wanted.change in (Change.ACKNOWLEDGED, Change.RESET)
    seen = {alarm: life.raised_ms if answers else 0 for alarm, life in lives.items()}
    effective = {alarm: max(now_ms, seen_ms) for alarm, seen_ms in seen.items()}
    facts: dict[str, Any] = {
        "change": wanted.change.value,
        "at_ms": now_ms,
        "until_ms": wanted.until_ms,
        "actor": user.name,
        "reason": wanted.reason.strip(),
        "alarm": list(lives),
        "effective_ms": list(effective.values()),
        "seen_ms": list(seen.values()),
    }
    await conn.execute(_WRITE, facts)
    return effective


async def _audit(
    conn: Connection, user: User, station: str, wanted: Wanted, alarms: Sequence[int]
) -> None:
    detail: dict[str, object] = {"alarms": list(alarms)}
    if wanted.reason.strip():
        detail["reason"] = wanted.reason.strip()
    if wanted.change is Change.SHELVED:
        detail["until_ms"] = wanted.until_ms
    await conn.execute(
        "INSERT INTO audit (actor, action, object, detail) VALUES (%s, %s, %s, %s)",
        [user.name, _AUDITED[wanted.change], station, Jsonb(detail)],
    )
