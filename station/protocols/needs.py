"""What a device must tell, and take, for the station to let it work: a table, with what follows.

It is checked on profiles, before a device stands in a station; the station itself goes by what it
is told each second (`station.protection`).
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

_CELLS = "rack.cells/"
_CELL_VOLTAGE, _CELL_TEMPERATURE = "cell_voltage_v", "cell_temperature_c"


@dataclass(frozen=True)
class Need:
    """A signal that a device should tell.

    Attributes:
        signal: of its layout; a command point where `command` says so.
        without: what follows when it is missing.
        cells: the signal of the cells that may stand in for it.
        command: it is taken, not told.
    """

    signal: str
    without: str
    cells: str = ""
    command: bool = False


_RACK = (
    Need("contactor_closed", "its container gets no power"),
    Need("voltage_v", "its container gets no power"),
    Need("soc", "its container gets no power"),
    Need("charge_current_limit_a", "its container may not charge"),
    Need("discharge_current_limit_a", "its container may not discharge"),
    Need(
        *("cell_voltage_max_v", "no charge, no protection against overvoltage of a cell"),
        _CELL_VOLTAGE,
    ),
    Need(
        *("cell_voltage_min_v", "no discharge, no protection against undervoltage of a cell"),
        _CELL_VOLTAGE,
    ),
    Need(
        *("cell_temperature_max_c", "no power, no protection against hot cells"),
        _CELL_TEMPERATURE,
    ),
    Need(
        *("cell_temperature_min_c", "no power, no protection of cold cells"),
        _CELL_TEMPERATURE,
    ),
    Need("current_a", "no protection against overcurrent, or current through an open contactor"),
    Need("rack_state", "a fault of its BMS is not seen"),
    Need("open_contactor", "a trip cannot open it and stops its container instead", command=True),
)
_PCS = (
    Need("pcs_state", "it gets no power"),
    Need("active_power_kw", "what it delivers is not known, nor whether it has stopped"),
    Need("active_power_setpoint_kw", "it can be given no power", command=True),
    Need("stop", "protection cannot stop it", command=True),
    Need("start", "it is not started again after a stop", command=True),
)
_METER = (
    Need("active_power_kw", "power is followed at the converters, losses are not made up for"),
    Need("frequency_hz", "no frequency response"),
)
NEEDS = {"rack": _RACK, "pcs": _PCS, "meter": _METER}
"""What devices should tell and take, by the layout that makes them one."""


def warnings(told: dict[str, Collection[str]], commands: Collection[str]) -> Iterator[str]:
    """Yield in words what a device lacks, and what follows.

    Args:
        told: names of the signals that it tells, by layout.
        commands: what it takes.
    """
    of_cells = {s for layout, names in told.items() if layout.startswith(_CELLS) for s in names}
    for layout, needs in NEEDS.items():
        if layout not in told:
            continue
        for need in needs:
            there = commands if need.command else told[layout]
            if need.signal not in there and need.cells not in of_cells:
                what = "takes no" if need.command else "tells no"
                or_cells = f" and no {need.cells} of the cells" if need.cells else ""
                yield f"{layout} {what} {need.signal}{or_cells}: {need.without}"
    if "rack" in told and not {_CELL_VOLTAGE, _CELL_TEMPERATURE} <= of_cells:
        yield "rack tells no cells: thermal runaway is not seen before the BMS tells it"
