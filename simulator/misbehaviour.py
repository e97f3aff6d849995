"""What scenario events do to the ways in which devices answer, over Modbus and IEC 61850."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from simulator.iec61850.library import (
    QUALITY_GOOD,
    QUALITY_INVALID,
    QUALITY_QUESTIONABLE,
)
from simulator.iec61850.server import REPORT_BUFFER_BYTES
from simulator.modbus.server import Unit
from simulator.scenario_file import Kind, ScenarioEvent
from simulator.servers import Devices

Misbehaviour = Callable[[Devices, ScenarioEvent, bool], None]


def _set_units(devices: Devices, event: ScenarioEvent, **how: Any) -> None:
    for unit in _units(devices, event.target):
        unit.mischief = replace(unit.mischief, **how)


def _units(devices: Devices, tag: str) -> list[Unit]:
    """All units behind an address, or the one unit named."""
    server = devices.modbus.get(tag)
    return [devices.units[tag]] if server is None else list(server.units.values())


def _slow(devices: Devices, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
    _set_units(devices, event, delay_s=event.value if begins else 0.0)


def _short(devices: Devices, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
    _set_units(devices, event, registers_missing=int(event.value) if begins else 0)


def _cut(devices: Devices, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
    _set_units(devices, event, bytes_missing=int(event.value) if begins else 0)


def _transaction(devices: Devices, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
    _set_units(devices, event, wrong_transaction=begins)


def _exception(devices: Devices, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
    _set_units(devices, event, exception=int(event.value) if begins else 0)


def _other_unit(devices: Devices, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
    _set_units(devices, event, other_unit=begins)


def _stand_in(devices: Devices, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
    unit = devices.units[event.target]
    others = next(
        list(server.units.values())
        for server in devices.modbus.values()
        if unit in server.units.values()
    )
    unit.stand_in = others[(others.index(unit) + 1) % len(others)] if begins else None


def _reset(devices: Devices, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
    _set_units(devices, event, resets=begins)


def _half_open(devices: Devices, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
    devices.modbus[event.target].lose_peers(lasting=begins)


def _clock(devices: Devices, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
    for unit in _units(devices, event.target):
        unit.clock_offset_s = int(event.value) if begins else 0


def _stop(devices: Devices, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
    for unit in _units(devices, event.target):
        unit.stopped = begins


def _freeze(devices: Devices, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
    for unit in _units(devices, event.target):
        unit.frozen_at = unit.image if begins else None


def _markers(devices: Devices, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
    (devices.blank.add if begins else devices.blank.discard)(event.target)


def _converter_clock(devices: Devices, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
    devices.pcs[event.target].clock_offset_s = int(event.value) if begins else 0


def _converter_quality(devices: Devices, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
    marked = QUALITY_INVALID if event.value else QUALITY_QUESTIONABLE
    devices.pcs[event.target].mark(marked if begins else QUALITY_GOOD)


def _reconfigured(devices: Devices, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
    devices.pcs[event.target].restart(reconfigured=begins)


def _buffer(devices: Devices, event: ScenarioEvent, begins: bool) -> None:  # noqa: FBT001
    size = int(event.value) if begins else REPORT_BUFFER_BYTES
    devices.pcs[event.target].restart(report_buffer_bytes=size)


MISBEHAVIOURS: Final[Mapping[Kind, Misbehaviour]] = {
    Kind.REPLY_SLOW: _slow,
    Kind.REPLY_SHORT: _short,
    Kind.REPLY_CUT: _cut,
    Kind.REPLY_WRONG_TRANSACTION: _transaction,
    Kind.REPLY_EXCEPTION: _exception,
    Kind.REPLY_OF_OTHER_UNIT: _other_unit,
    Kind.VALUES_OF_OTHER_UNIT: _stand_in,
    Kind.CONNECTION_RESET: _reset,
    Kind.CONNECTION_HALF_OPEN: _half_open,
    Kind.CLOCK_JUMP: _clock,
    Kind.CLOCK_STOPPED: _stop,
    Kind.VALUES_FROZEN: _freeze,
    Kind.INVALID_MARKERS: _markers,
    Kind.CONVERTER_CLOCK_JUMP: _converter_clock,
    Kind.CONVERTER_QUALITY: _converter_quality,
    Kind.CONVERTER_RECONFIGURED: _reconfigured,
    Kind.CONVERTER_BUFFER: _buffer,
}
"""Kinds that change how devices answer, not the plant itself."""
