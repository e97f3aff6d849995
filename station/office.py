"""What the station makes of a verified order: it judges first, and only then acts.

Supported are schedules, manual set-points with an end, and their release. Everything else is
refused in words. Judging changes nothing; acting happens after the journal has the order.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

from contract.errors import ScheduleError
from contract.orders import Order, OrderKind, Outcome
from contract.schedule import Schedule, parse
from station.config import SiteConfig
from station.cycle import ControlState
from station.dispatch.mode import ManualSetpoint
from station.dispatch.schedule import why_refused
from station.journal import Effects, Memory, StoredSchedule, StoredSetpoint
from station.uplink.orders import Judgement

_SETPOINT_FIELDS = {"power_kw", "until_ms"}


def _refused(code: str, reason: str) -> Judgement:
    return Judgement(Outcome.REFUSED, code, reason)


class Office:
    """Judges and carries out orders of one station."""

    def __init__(self, site: SiteConfig, state: ControlState, now_ms: Callable[[], int]) -> None:
        """Act on this control state."""
        self._site = site
        self._state = state
        self._now_ms = now_ms

    def restore(self, memory: Memory) -> None:
        """Go on with the schedules and the set-point of before a restart."""
        for stored in memory.schedules:
            self._put(stored)
        if memory.setpoint is not None:
            self._state.manual = ManualSetpoint(
                memory.setpoint.power_kw, memory.setpoint.until_ms, memory.setpoint.order_id
            )

    def judge(self, order: Order) -> Judgement:
        """Say what becomes of a verified order; changes nothing."""
        match order.kind:
            case OrderKind.SCHEDULE:
                return self._judge_schedule(order)
            case OrderKind.SETPOINT:
                return self._judge_setpoint(order)
            case OrderKind.RELEASE:
                return Judgement(
                    Outcome.ACCEPTED, "ok", "manual set-point released", Effects(release=True)
                )
            case _:
                return _refused(
                    "unsupported", f"orders of kind {order.kind.value!r} are not supported here"
                )

    def carry_out(self, order: Order, effects: Effects) -> None:
        """Let an accepted order take effect in the next cycle."""
        if effects.schedule is not None:
            self._put(effects.schedule)
        if effects.setpoint is not None:
            manual = effects.setpoint
            self._state.manual = ManualSetpoint(manual.power_kw, manual.until_ms, order.id)
        if effects.release:
            self._state.manual = None

    def _judge_schedule(self, order: Order) -> Judgement:
        try:
            schedule = parse(order.payload)
        except ScheduleError as error:
            return _refused("invalid_payload", str(error))
        rated_kw = self._site.rated_power_kw
        why = why_refused(
            schedule,
            timezone=self._site.timezone,
            rated_power_kw=rated_kw,
            now_ms=self._now_ms(),
        )
        if why is not None:
            beyond = any(abs(kw) > rated_kw for kw in schedule.power_kw)
            return _refused("over_limit" if beyond else "invalid_payload", why)
        replaced = self._state.schedules.days.get(schedule.start_ms)
        return Judgement(
            Outcome.ACCEPTED,
            "ok",
            f"schedule of {schedule.date} accepted",
            Effects(schedule=_stored(schedule, order)),
            supersedes=None if replaced is None else replaced[1],
        )

    def _judge_setpoint(self, order: Order) -> Judgement:
        problem = _setpoint_problem(order.payload)
        if problem:
            return _refused("invalid_payload", problem)
        power_kw = float(order.payload["power_kw"])
        if abs(power_kw) > self._site.rated_power_kw:
            return _refused(
                "over_limit",
                f"power_kw = {power_kw:g} is beyond the rated power of "
                f"{self._site.rated_power_kw:g} kW",
            )
        until_ms = int(order.payload.get("until_ms", order.expires_ms))
        if until_ms <= self._now_ms():
            return _refused("expired", "until_ms is over; give a time to come")
        effects = Effects(setpoint=StoredSetpoint(order.id, power_kw, until_ms))
        manual = self._state.manual
        return Judgement(
            Outcome.ACCEPTED,
            "ok",
            f"manual set-point of {power_kw:g} kW accepted",
            effects,
            supersedes=None if manual is None else manual.order_id,
        )

    def _put(self, stored: StoredSchedule) -> None:
        self._state.schedules.put(parse(stored.payload), stored.order_id, self._now_ms())


def _stored(schedule: Schedule, order: Order) -> StoredSchedule:
    return StoredSchedule(schedule.start_ms, schedule.end_ms, order.id, schedule.to_payload())


def _setpoint_problem(payload: Mapping[str, Any]) -> str:
    """Return what is wrong with the content of a SETPOINT order, empty when nothing is."""
    if "power_kw" not in payload or set(payload) - _SETPOINT_FIELDS:
        return "a set-point has power_kw and, if it ends before the order, until_ms"
    power, until = payload["power_kw"], payload.get("until_ms", 0)
    if type(power) not in (int, float) or not math.isfinite(power):
        return f"power_kw = {power!r} is no number of kW"
    if type(until) is not int:
        return f"until_ms = {until!r} must be epoch milliseconds"
    return ""
