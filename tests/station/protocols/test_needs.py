"""What a profile lacks for the station to let its device work, and what follows."""

import pytest

from station.protocols.needs import NEEDS, warnings
from tests.station.protocols.test_docs import TEXT

RACK = [need.signal for need in NEEDS["rack"] if not need.command]
CELLS = {"rack.cells/32": ["cell_voltage_v", "cell_temperature_c"]}
OPENS = ["open_contactor"]


def without(*signals: str) -> list[str]:
    return [signal for signal in RACK if signal not in signals]


def test_a_rack_that_tells_and_takes_everything_is_not_warned_of():
    assert list(warnings({"rack": RACK, **CELLS}, OPENS)) == []


@pytest.mark.parametrize("signal", ["contactor_closed", "soc", "discharge_current_limit_a"])
def test_a_signal_that_is_missing_is_named_with_what_follows(signal):
    (warning,) = warnings({"rack": without(signal), **CELLS}, OPENS)

    follows = next(need.without for need in NEEDS["rack"] if need.signal == signal)
    assert warning == f"rack tells no {signal}: {follows}"


def test_cells_stand_in_for_the_extremes_of_a_bms():
    bare = without("cell_voltage_max_v", "cell_temperature_max_c")

    assert list(warnings({"rack": bare, **CELLS}, OPENS)) == []
    (hot, runaway) = warnings(
        {"rack": bare, "rack.cells/32": ["cell_voltage_v"]},
        OPENS,
    )
    assert "no cell_temperature_max_c and no cell_temperature_c of the cells" in hot
    assert "thermal runaway" in runaway


def test_a_command_that_protection_needs_is_warned_of():
    (warning,) = warnings({"rack": RACK, **CELLS}, [])

    assert warning.startswith("rack takes no open_contactor: ")


def test_devices_that_nobody_needs_are_not_warned_of():
    assert list(warnings({"chiller": []}, [])) == []


def test_the_guide_shows_the_whole_table():
    for layout, needs in NEEDS.items():
        for need in needs:
            verb = "takes" if need.command else "tells"
            or_cells = f", or `{need.cells}` of its cells" if need.cells else ""
            row = f"| `{layout}` | {verb} | `{need.signal}`{or_cells} | {need.without} |"
            assert row in TEXT
