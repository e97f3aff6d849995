"""What scenario events do to the ways in which Modbus devices answer."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

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
}
"""Kinds that change how Modbus devices answer, not the plant itself."""
