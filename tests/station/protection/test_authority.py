"""Who may tell the station what to do."""

import json
from dataclasses import replace

import pytest

from contract.orders import REASONS, OrderKind
from station.protection import Allowed, Denied, Deployment, Done, ProtectionState, may_take
from station.protection.authority import Authority, read_authority
from station.protection.states import PanelState
from tests.station.protection.world import World

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


def restarted(world: World) -> World:
    """The same site with a controller that knows only what was kept."""
    world.state = ProtectionState.restore(json.loads(json.dumps(world.state.latches())))
    return world


def test_local_control_stays_over_a_restart_while_the_panel_is_silent():
    world = World()
    world.remote = False
    world.run(3)
    world.silent.add("PANEL")

    verdict = restarted(world).run(3)

    assert verdict.local
    assert (verdict.limits.charge.kw, verdict.limits.discharge.kw) == (0, 0)
    assert verdict.held == {"C1-PCS", "C2-PCS", "C3-PCS"}


def test_remote_control_is_not_kept_as_local():
    world = World()
    world.remote = False
    world.run(3)
    world.remote = True
    world.run(1)
    world.silent.add("PANEL")

    assert not restarted(world).run(1).local


def test_who_has_control_is_not_known_before_the_panels_first_word():
    world = World()
    world.silent.add("PANEL")

    silent = world.run(3)
    world.silent.clear()
    heard = world.run(1)
    world.silent.add("PANEL")
    silent_again = world.run(3)

    assert not silent.control_known
    assert heard.control_known
    assert silent_again.control_known


def test_after_a_restart_the_panel_must_be_heard_again():
    world = World()
    world.run(3)
    world.silent.add("PANEL")

    assert not restarted(world).run(1).control_known


def test_a_site_without_a_panel_knows_who_has_control():
    world = World()
    plant = world.plant
    world.plant = lambda: replace(plant(), panel=None)

    assert world.run(1).control_known


def test_no_contactor_is_closed_again_before_the_panels_first_word():
    world = World()
    world.run(3)
    world.rack("C1-R03", cell_voltage_max_v=3.75)
    world.run(6)
    world.rack("C1-R03", cell_voltage_max_v=3.3)
    world.silent.add("PANEL")
    restarted(world).run(3)

    outcome = world.reset()
    world.run(10)
    before = world.closed("C1")
    world.silent.clear()
    world.run(10)

    assert isinstance(outcome, Done)
    assert "C1-R03" not in before
    assert "C1-R03" in world.closed("C1")


def test_contactors_are_opened_before_the_panels_first_word():
    world = World()
    world.silent.add("PANEL")
    world.run(3)
    world.rack("C1-R03", cell_voltage_max_v=3.75)

    world.run(6)

    assert "C1-R03" not in world.closed("C1")
