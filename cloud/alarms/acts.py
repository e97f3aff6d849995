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
from cloud.alarms.definitions import Definition, Definitions
from cloud.alarms.engine import Work, retell
from cloud.alarms.fold import life_from_json
from cloud.alarms.states import SILENT, UNANSWERED, Change, Life, State
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


class ActRefused(Refused):
    """The alarm is not in a state for this act, or the act lacks what it needs."""

    code = "alarm_act_refused"
    status = 422


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
    refused: Mapping[int, str]


@dataclass(frozen=True)
class Desk:
    """Where people act on alarms."""

    pool: Pool
    vault: Vault
    definitions: Definitions

    async def act(self, user: User, alarms: Sequence[int], wanted: Wanted, now_ms: int) -> Outcome:
        """Do one thing to some alarms; those that it cannot be done to stay as they are.

        Raises:
            NotFound: there is no such alarm.
            ActForbidden: the person may not do this at a station concerned; nothing is done.
            ActRefused: the act lacks its reason or its limit; or it could be done to none of the
                alarms, and the text says why.
        """
        _check_wanted(wanted, now_ms)
        if not 1 <= len(set(alarms)) <= MOST_ALARMS:
            raise ActRefused(f"name 1 to {MOST_ALARMS} alarms")
        stations = await self._stations(alarms)
        for station in stations:
            decision = authorize(user, _ACTIONS[wanted.change], Resource("station", station))
            if not decision.allowed:
                raise ActForbidden(decision.rule)
        done: list[int] = []
        refused: dict[int, str] = {}
        for station, ids in stations.items():
            part = await self._act(user, station, ids, wanted, now_ms)
            done += part.done
            refused |= part.refused
        if not done:
            raise ActRefused("; ".join(dict.fromkeys(refused.values())))
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
            raise NotFound(f"there is no alarm {min(missing)}")
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
            refused: dict[int, str] = {}
            for alarm in ids:
                rule = known[alarm].rule(self.definitions)
                life = lives[alarm]
                why = refusal(life, rule, wanted) or _unseen(alarm, life, wanted)
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
        raise ActRefused("give a reason: it is kept with the act")
    if len(reason) > _MOST_REASON:
        raise ActRefused(f"the reason has {len(reason)} characters; use at most {_MOST_REASON}")
    if wanted.change is Change.SHELVED and not now_ms < wanted.until_ms <= (
        now_ms + LONGEST_SHELF_MS
    ):
        raise ActRefused("an alarm is shelved for at most 8 h from now; choose an earlier end")


def refusal(life: Life, rule: Definition, wanted: Wanted) -> str:  # noqa: PLR0911 - one for each rule
    """Return why an act cannot be done to an alarm; empty when it can."""
    state, title = life.state, rule.words().en
    match wanted.change:
        case Change.ACKNOWLEDGED if state in SILENT:
            return f"{title}: is {_said(state)}; it needs no answer while it is"
        case Change.ACKNOWLEDGED if state not in UNANSWERED:
            return f"{title}: is {_said(state)}; there is nothing to acknowledge"
        case Change.RESET if state is State.RETURNED:
            return f"{title}: acknowledge it first"
        case Change.RESET if state is not State.LATCHED:
            still = " its condition still stands" if life.active else " it is not latched"
            return f"{title}:{still}; there is nothing to reset"
        case Change.SHELVED if not rule.shelvable:
            return (
                f"{title}: an alarm of class safety is never shelved; acknowledge it, or have an"
                " engineer take it out of service"
            )
        case Change.SHELVED if life.out_of_service:
            return f"{title}: is out of service already"
        case Change.UNSHELVED if life.shelved_until_ms is None:
            return f"{title}: is not shelved"
        case Change.TAKEN_OUT if life.out_of_service:
            return f"{title}: is out of service already"
        case Change.PUT_BACK if not life.out_of_service:
            return f"{title}: is in service already"
        case _:
            return ""


def _unseen(alarm: int, life: Life, wanted: Wanted) -> str:
    seen = (wanted.seen_onset_ms or {}).get(alarm)
    answers = wanted.change in (Change.ACKNOWLEDGED, Change.RESET)
    if answers and seen is not None and life.onset_ms > seen:
        return "it has come again since you looked; look again and acknowledge that"
    return ""


def _said(state: State) -> str:
    return "suppressed by design" if state is State.SUPPRESSED else state.value.replace("_", " ")


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
