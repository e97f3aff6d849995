"""What the station makes of a verified order: it judges first, and only then acts.

Supported are schedules, manual set-points with an end and their release, resets of protection,
self-tests, and models of the estimators. Whether control from the Internet is taken at all is
settled by the station's own deployment and its local/remote switch, whatever anybody has signed.
Judging changes nothing; acting happens after the journal has the order.
"""

from collections.abc import Callable
from typing import Protocol

from contract.control import Reset, Setpoint, require_empty
from contract.errors import ControlError, ModelOrderError, ScheduleError
from contract.model_order import ModelAction, ModelOrder
from contract.orders import REASONS, Order, OrderKind, Outcome
from contract.schedule import Schedule, parse
from station.config import SiteConfig
from station.control.cycle import ControlState
from station.dispatch.schedule import why_refused
from station.dispatch.sources import ManualSetpoint, SelfTestMemory, SelfTestOutcome
from station.journal import Effects, Memory, StoredModel, StoredSchedule, StoredSetpoint
from station.protection import (
    Denied,
    Deployment,
    ProtectionState,
    Refused,
    Rules,
    may_take,
    reset,
)
from station.uplink.orders import Failure, Judgement

_MOVES_POWER = (OrderKind.SETPOINT, OrderKind.SELF_TEST)


def _refused(code: str, reason: str) -> Judgement:
    return Judgement(Outcome.REFUSED, code, reason)


def _accepted(
    reason: str, effects: Effects | None = None, supersedes: str | None = None
) -> Judgement:
    return Judgement(Outcome.ACCEPTED, "ok", reason, effects or Effects(), supersedes)


class SelfTestDesk(Protocol):
    """Whoever carries self-tests out."""

    @property
    def self_test(self) -> SelfTestMemory | None:
        """The test under way, or the result of the last one."""

    def begin_self_test(self, order_id: str) -> None:
        """Let a test begin with the next step."""


class ModelOrders(Protocol):
    """Whoever carries model orders out."""

    def why_refused(self, asked: ModelOrder) -> str | None:
        """The reason code by which an order is refused now, None when it can be done."""

    def carry_out(self, order_id: str, asked: ModelOrder, expires_ms: int) -> None:
        """Let an accepted order take effect."""


class Office:
    """Judges and carries out orders of one station."""

    def __init__(
        self,
        site: SiteConfig,
        state: ControlState,
        rules: Rules,
        self_test: SelfTestDesk,
        now_ms: Callable[[], int],
    ) -> None:
        """Act on this control state.

        Args:
            site: rating, time zone and deployment.
            state: what orders change.
            rules: of protection, for resets.
            self_test: begins self-tests.
            now_ms: the station's time.
        """
        self._self_test = self_test
        self._site = site
        self._state = state
        self._rules = rules
        self._now_ms = now_ms
        self._deployment = Deployment(site.deployment)
        self.models: ModelOrders | None = None

    def restore(self, memory: Memory) -> None:
        """Go on with the schedules, the set-point and the latches of before a restart.

        Raises:
            LatchError: what was latched cannot be read.
        """
        for stored in memory.schedules:
            self._put(stored)
        if memory.setpoint is not None:
            self._state.wishes.manual = ManualSetpoint(
                memory.setpoint.power_kw, memory.setpoint.until_ms, memory.setpoint.order_id
            )
        self._state.protection = ProtectionState.restore(memory.latches)

    def judge(self, order: Order) -> Judgement:
        """Say what becomes of a verified order; changes nothing."""
        local = self._state.protection.authority.local
        allowed = may_take(order.kind, self._deployment, local=local)
        if isinstance(allowed, Denied):
            return _refused(allowed.reason_code, allowed.words.en)
        return self.judge_on_site(order)

    def judge_on_site(self, order: Order) -> Judgement:
        """Say what becomes of what people on site ask: neither deployment nor switch bars them."""
        stopped = "emergency_stop" in {rule for rule, _ in self._state.protection.latched}
        if order.kind in _MOVES_POWER and stopped:
            return _refused("emergency_stop", REASONS["emergency_stop"].en)
        try:
            return self._judge(order)
        except (ControlError, ModelOrderError, ScheduleError) as error:
            return _refused("invalid_payload", str(error))

    def _judge(self, order: Order) -> Judgement:  # noqa: PLR0911 - one for each kind
        match order.kind:
            case OrderKind.SCHEDULE:
                return self._judge_schedule(order)
            case OrderKind.SETPOINT:
                return self._judge_setpoint(order)
            case OrderKind.RELEASE:
                require_empty(order.payload)
                return _accepted("manual set-point released", Effects(release=True))
            case OrderKind.RESET:
                return self._judge_reset(Reset.from_payload(order.payload))
            case OrderKind.SELF_TEST:
                require_empty(order.payload)
                return self._judge_self_test()
            case OrderKind.MODEL:
                return self._judge_model(order, ModelOrder.from_payload(order.payload))
            case _:
                return _refused(
                    "unsupported", f"orders of kind {order.kind.value!r} are not supported here"
                )

    def carry_out(self, order: Order, effects: Effects) -> Failure | None:
        """Let an accepted order take effect in the next cycle.

        Returns:
            Why it could not: what was so when it was judged need not be so after the journal
            was written. None when it takes effect.
        """
        wishes = self._state.wishes
        if effects.schedule is not None:
            self._put(effects.schedule)
        if effects.setpoint is not None:
            manual = effects.setpoint
            wishes.manual = ManualSetpoint(manual.power_kw, manual.until_ms, order.id)
        if effects.release:
            wishes.manual = None
        if order.kind is OrderKind.SELF_TEST:
            self._self_test.begin_self_test(order.id)
        if order.kind is OrderKind.MODEL and self.models is not None:
            asked = ModelOrder.from_payload(order.payload)
            self.models.carry_out(order.id, asked, order.expires_ms)
        if order.kind is OrderKind.RESET:
            target = Reset.from_payload(order.payload).target
            self._state.protection, outcome = reset(
                self._state.protection, target, self._now_ms(), self._rules
            )
            if isinstance(outcome, Refused):
                return Failure(outcome.reason_code, outcome.words)
        return None

    def _judge_schedule(self, order: Order) -> Judgement:
        schedule = parse(order.payload)
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
        replaced = self._state.wishes.schedules.days.get(schedule.start_ms)
        return _accepted(
            f"schedule of {schedule.date} accepted",
            Effects(schedule=_stored(schedule, order)),
            supersedes=None if replaced is None else replaced[1],
        )

    def _judge_setpoint(self, order: Order) -> Judgement:
        asked = Setpoint.from_payload(order.payload)
        rated_kw = self._site.rated_power_kw
        if abs(asked.power_kw) > rated_kw:
            return _refused(
                "over_limit",
                f"power_kw = {asked.power_kw:g} is beyond the rated power of {rated_kw:g} kW",
            )
        until_ms = order.expires_ms if asked.until_ms is None else asked.until_ms
        if until_ms <= self._now_ms():
            return _refused("expired", "until_ms is over; give a time to come")
        manual = self._state.wishes.manual
        return _accepted(
            f"manual set-point of {asked.power_kw:g} kW accepted",
            Effects(setpoint=StoredSetpoint(order.id, asked.power_kw, until_ms)),
            supersedes=None if manual is None else manual.order_id,
        )

    def _judge_reset(self, asked: Reset) -> Judgement:
        _, outcome = reset(self._state.protection, asked.target, self._now_ms(), self._rules)
        if isinstance(outcome, Refused):
            return _refused(outcome.reason_code, outcome.words.en)
        return _accepted(f"reset: {outcome.words.en}")

    def _judge_self_test(self) -> Judgement:
        test = self._self_test.self_test
        if test is not None and test.outcome is SelfTestOutcome.RUNNING:
            return _refused("invalid_payload", "a self-test is running; wait for its result")
        wishes = self._state.wishes
        asked = wishes.manual is not None and self._now_ms() < wishes.manual.until_ms
        led = wishes.agc is not None and wishes.agc.in_control and wishes.agc.power_kw is not None
        if asked or led:
            return _refused("outranked", REASONS["outranked"].en)
        return _accepted("self-test begins; its result comes as an event")

    def _judge_model(self, order: Order, asked: ModelOrder) -> Judgement:
        code = "no_estimators" if self.models is None else self.models.why_refused(asked)
        if code is not None:
            return _refused(code, REASONS[code].en)
        if asked.action is not ModelAction.DEPLOY:
            return _accepted(f"{asked.action.value} of {asked.title} accepted")
        coming = StoredModel(order.id, asked.to_payload(), order.expires_ms)
        return _accepted(f"{asked.title} is being fetched", Effects(model=coming))

    def _put(self, stored: StoredSchedule) -> None:
        self._state.wishes.schedules.put(parse(stored.payload), stored.order_id, self._now_ms())


def _stored(schedule: Schedule, order: Order) -> StoredSchedule:
    return StoredSchedule(schedule.start_ms, schedule.end_ms, order.id, schedule.to_payload())
