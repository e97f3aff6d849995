"""What the station makes of control orders: by its deployment, its switch, its own state."""

import uuid
from dataclasses import dataclass, replace
from types import MappingProxyType

import pytest

from contract.orders import Order, OrderKind, Outcome
from contract.words import Words
from station.config import SiteConfig
from station.control.cycle import ControlState
from station.dispatch.sources import ManualSetpoint, SelfTestMemory, SelfTestOutcome
from station.journal import Memory
from station.office import Office
from station.protection import load_rules
from station.protection.authority import Authority
from station.protection.findings import Latch
from station.protection.levels import Level, ResetRule

T0 = 1_795_000_000_000


@dataclass
class SelfTests:
    """Begins self-tests as the control cycle does."""

    self_test: SelfTestMemory | None = None

    def begin_self_test(self, order_id: str) -> None:
        self.self_test = SelfTestMemory(order_id)


@pytest.fixture
def tests() -> SelfTests:
    return SelfTests()


def office(tests: SelfTests, state: ControlState, deployment: str = "cloud") -> Office:
    site = SiteConfig(
        id="s", data_dir=".", rated_power_kw=1000, capacity_kwh=2000, deployment=deployment
    )
    return Office(site, state, load_rules(), tests, lambda: T0)


def order(kind: OrderKind, **payload: object) -> Order:
    return Order(
        id=str(uuid.uuid4()),
        station="s",
        counter=1,
        kind=kind,
        issued_ms=T0,
        not_before_ms=T0 - 1,
        expires_ms=T0 + 60_000,
        payload=payload,
    )


CONTROL = [
    (OrderKind.SETPOINT, {"power_kw": 100.0}),
    (OrderKind.RELEASE, {}),
    (OrderKind.RESET, {"target": "station"}),
    (OrderKind.SELF_TEST, {}),
]


@pytest.mark.parametrize(("kind", "payload"), CONTROL)
@pytest.mark.parametrize("deployment", ["dispatch", "standalone"])
def test_a_station_of_the_dispatch_centre_takes_no_control_from_the_internet(
    tests, kind, payload, deployment
):
    judged = office(tests, ControlState(), deployment).judge(order(kind, **payload))

    assert (judged.outcome, judged.reason_code) == (Outcome.REFUSED, "deployment")
    assert "Internet" in judged.reason


@pytest.mark.parametrize(("kind", "payload"), CONTROL)
def test_in_local_control_nothing_is_ordered_from_afar(tests, kind, payload):
    state = ControlState()
    state.protection = replace(state.protection, authority=Authority(local=True))

    judged = office(tests, state).judge(order(kind, **payload))

    assert (judged.outcome, judged.reason_code) == (Outcome.REFUSED, "local_control")


def test_a_self_test_begins_once_and_not_beside_another(tests):
    at = office(tests, ControlState())
    first = order(OrderKind.SELF_TEST)

    judged = at.judge(first)
    at.carry_out(first, judged.effects)
    again = at.judge(order(OrderKind.SELF_TEST))
    tests.self_test = replace(tests.self_test, outcome=SelfTestOutcome.PASSED)
    later = at.judge(order(OrderKind.SELF_TEST))

    assert tests.self_test.requester == first.id
    assert [j.outcome for j in (judged, again, later)] == [
        Outcome.ACCEPTED,
        Outcome.REFUSED,
        Outcome.ACCEPTED,
    ]


def latched(rule: str = "cell_voltage_high", device: str = "C1-R01") -> ControlState:
    state = ControlState()
    latch = Latch(
        rule=rule,
        device=device,
        container="C1",
        level=Level.TRIP,
        value=3.7,
        limit=3.65,
        unit="V",
        name=Words("cell voltage high", "单体电压过高"),
        since_ms=T0 - 1000,
        cell=None,
        reset=ResetRule.OPERATOR,
    )
    state.protection = replace(state.protection, latched={(rule, device): latch})
    return state


def test_a_reset_is_refused_while_nobody_has_seen_the_cause_gone(tests):
    state = latched()

    judged = office(tests, state).judge(order(OrderKind.RESET, target="station"))

    assert (judged.outcome, judged.reason_code) == (Outcome.REFUSED, "cause_stands")
    assert state.protection.latched


def seen_gone(state: ControlState) -> None:
    """Let protection have judged, and the rule of the latch among what it no longer has."""
    state.protection = replace(state.protection, judged=MappingProxyType({"another": None}))


def out_of_sight(state: ControlState) -> None:
    """Let nobody be able to say any more whether the cause is gone."""
    state.protection = replace(state.protection, judged=MappingProxyType({}))


def test_a_reset_whose_cause_is_gone_releases_the_latch(tests):
    state = latched()
    seen_gone(state)
    at, asked = office(tests, state), order(OrderKind.RESET, target="station")

    judged = at.judge(asked)
    failure = at.carry_out(asked, judged.effects)

    assert (judged.outcome, failure) == (Outcome.ACCEPTED, None)
    assert not state.protection.latched


def test_a_reset_whose_cause_came_back_after_it_was_accepted_says_that_it_failed(tests):
    state = latched()
    seen_gone(state)
    at, asked = office(tests, state), order(OrderKind.RESET, target="station")

    judged = at.judge(asked)
    out_of_sight(state)
    failure = at.carry_out(asked, judged.effects)

    assert judged.outcome is Outcome.ACCEPTED
    assert failure.reason_code == "cause_stands"
    assert "cell voltage high" in failure.words.en
    assert "单体电压过高" in failure.words.zh
    assert state.protection.latched


def test_a_reset_of_nothing_is_refused_in_words(tests):
    judged = office(tests, ControlState()).judge(order(OrderKind.RESET, target="C1-R09"))

    assert judged.outcome is Outcome.REFUSED
    assert "C1-R09" in judged.reason


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (OrderKind.RESET, {}),
        (OrderKind.RELEASE, {"now": True}),
        (OrderKind.SELF_TEST, {"steps": 3}),
        (OrderKind.SETPOINT, {"power_kw": "much"}),
    ],
)
def test_an_order_with_another_content_is_refused_and_says_which(tests, kind, payload):
    judged = office(tests, ControlState()).judge(order(kind, **payload))

    assert (judged.outcome, judged.reason_code) == (Outcome.REFUSED, "invalid_payload")


def test_latches_of_before_a_restart_hold(tests):
    before, after = latched(), ControlState()

    office(tests, after).restore(Memory(-1, latches=before.protection.latches()))

    assert set(after.protection.latched) == set(before.protection.latched)


@pytest.mark.parametrize(
    ("kind", "payload"), [(OrderKind.SETPOINT, {"power_kw": 9.0}), (OrderKind.SELF_TEST, {})]
)
def test_while_an_emergency_stop_holds_nobody_lays_down_a_power(tests, kind, payload):
    state = latched("emergency_stop", "PANEL")

    judged = office(tests, state).judge(order(kind, **payload))

    assert (judged.outcome, judged.reason_code) == (Outcome.REFUSED, "emergency_stop")


def test_a_self_test_beside_a_person_is_refused_as_outranked(tests):
    state = ControlState()
    state.wishes.manual = ManualSetpoint(100.0, T0 + 60_000, "by-hand")

    judged = office(tests, state).judge(order(OrderKind.SELF_TEST))

    assert (judged.outcome, judged.reason_code) == (Outcome.REFUSED, "outranked")
