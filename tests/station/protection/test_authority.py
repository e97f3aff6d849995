"""Who may tell the station what to do."""

import pytest

from contract.orders import REASONS, OrderKind
from station.protection import Allowed, Denied, Deployment, may_take
from station.protection.authority import Authority, read_authority
from station.protection.states import PanelState

CONTROL = (
    OrderKind.SCHEDULE,
    OrderKind.SETPOINT,
    OrderKind.RELEASE,
    OrderKind.PARAMETER,
    OrderKind.RESET,
    OrderKind.SELF_TEST,
)


@pytest.mark.parametrize("kind", CONTROL)
@pytest.mark.parametrize("deployment", [Deployment.DISPATCH, Deployment.STANDALONE])
@pytest.mark.parametrize("local", [False, True])
def test_a_station_that_is_not_run_from_the_cloud_takes_no_control_from_it(kind, deployment, local):
    answer = may_take(kind, deployment, local=local)

    assert answer == Denied("deployment", REASONS["deployment"])


@pytest.mark.parametrize("kind", CONTROL)
def test_a_cloud_station_takes_control_in_remote(kind):
    assert may_take(kind, Deployment.CLOUD, local=False) == Allowed()


@pytest.mark.parametrize(
    ("kind", "taken"),
    [
        (OrderKind.SETPOINT, False),
        (OrderKind.RELEASE, False),
        (OrderKind.RESET, False),
        (OrderKind.SELF_TEST, False),
        (OrderKind.SCHEDULE, True),
        (OrderKind.FIRMWARE, True),
    ],
)
def test_in_local_control_nothing_that_acts_at_once_is_taken(kind, taken):
    answer = may_take(kind, Deployment.CLOUD, local=True)

    assert isinstance(answer, Allowed if taken else Denied)
    if isinstance(answer, Denied):
        assert answer.reason_code == "local_control"
        assert answer.words.zh == "电站处于就地控制"


def panel(*, fresh: bool = True, remote: bool | None = True, pressed: bool | None = False):
    return PanelState("PANEL", fresh, False, remote, pressed)


def test_a_silent_panels_last_word_counts():
    local, _ = read_authority(panel(remote=False), Authority())

    assert read_authority(panel(fresh=False), local) == (local, False)
    assert read_authority(panel(remote=None), local)[0].local


def test_a_button_found_pressed_at_the_first_word_is_no_press():
    first, pressed_at_once = read_authority(panel(pressed=True), Authority())
    released, _ = read_authority(panel(pressed=False), first)
    _, pressed = read_authority(panel(pressed=True), released)

    assert (pressed_at_once, pressed) == (False, True)


def test_a_site_without_a_panel_is_in_remote_control():
    assert read_authority(None, Authority(local=True)) == (Authority(), False)
