"""What would pass over the wires between plant and station, without the wires.

The registers that a device of the plant shows go through the profile that ships with the
station; a converter's values go through the station's mapping of signals. Commands go back
through the same profiles into the plant's own registers and converters.
"""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache

import numpy as np
import numpy.typing as npt

from contract import layouts
from contract.frame import Quality
from simulator.devices import pcs
from simulator.modbus.image import Image, Table
from simulator.physics.converter import Converter, Point
from simulator.plant import Plant
from simulator.servers import Devices
from station.config import DeviceConfig, Role, StationConfig
from station.dispatch.commands import Command
from station.protocols import Reading
from station.protocols.modbus.decode import LayoutDecoder
from station.protocols.modbus.encode import registers_for
from station.protocols.modbus.plan import Plan, plan_for
from station.protocols.modbus.profile import Profile, Space, load
from station.protocols.profile_files import find

_TABLES = {
    Space.COIL: Table.COILS,
    Space.DISCRETE: Table.DISCRETE,
    Space.HOLDING: Table.HOLDING,
    Space.INPUT: Table.INPUT,
}
_ARRIVES_AFTER_MS = 300
"""A device is asked some 0.3 s after its tick."""
_POINTS = {
    "active_power_setpoint_kw": (Point.ACTIVE_POWER, 1e3),
    "reactive_power_setpoint_kvar": (Point.REACTIVE_POWER, 1e3),
    "start": (Point.START, 1.0),
    "stop": (Point.STOP, 1.0),
}
"""What a command of the station is at the converter, and its factor."""


class Wire:
    """Readings one way, commands the other way."""

    def __init__(self, devices: Devices, config: StationConfig) -> None:
        """Compile the profiles of all devices of the plant."""
        self._devices = devices
        self._modbus = {d.tag: _Decoder(d) for d in config.devices if d.role is not Role.PCS}
        self._converters = [d.tag for d in config.with_role(Role.PCS)]

    def readings(self, tick: int) -> Iterator[Reading]:
        """Return what every device says at a tick (epoch seconds); a silent one says nothing."""
        silent = {t for t, server in self._devices.modbus.items() if server.silent}
        for tag, decoder in self._modbus.items():
            unit = self._devices.units[tag]
            if not (unit.silent or decoder.server(tag) in silent):
                yield from decoder.readings(unit.image)
        for k, tag in enumerate(self._converters):
            if not self._devices.pcs[tag].silent:
                yield converter_reading(self._devices.plant, k, tag, tick)

    def carry_out(self, command: Command) -> bool:
        """Give a command to the plant; False when the device refuses it."""
        if command.device in self._converters:
            k = self._converters.index(command.device)
            return _tell(self._devices.plant.converters[k], command)
        write = self._modbus[command.device].profile.writes[command.point]
        words = registers_for(write, command.value)
        return self._devices.units[command.device].write(write.address, words) is None


class _Decoder:
    """One Modbus device: its profile, and how its registers become rows."""

    def __init__(self, device: DeviceConfig) -> None:
        self.profile, self._plan, self._decoders = _compiled(device.profile)
        self._tag = device.tag
        self._container = device.container if device.role is Role.RACK else ""

    def server(self, tag: str) -> str:
        """The server behind which a device stands: racks stand behind their container's BMS."""
        return f"{self._container}-BMS" if self._container else tag

    def readings(self, image: Image) -> Iterator[Reading]:
        registers = _registers(self._plan, image)
        time_ms = image.tick * 1000
        for decoder in self._decoders:
            values, quality = decoder.decode(registers)
            layout = decoder.layout.name
            arrived_ms = time_ms + _ARRIVES_AFTER_MS
            yield Reading(self._tag, layout, time_ms, arrived_ms, values, quality)


@cache
def _compiled(name: str) -> tuple[Profile, Plan, tuple[LayoutDecoder, ...]]:
    profile = load(name)
    plan = plan_for(profile)
    points = profile.layout_points()
    return profile, plan, tuple(LayoutDecoder(profile, plan, n, p) for n, p in points.items())


def _registers(plan: Plan, image: Image) -> npt.NDArray[np.uint16]:
    """Return the vector that reading all blocks of a plan would fill."""
    parts = []
    for block in plan.blocks:
        data = image.find(_TABLES[block.space], block.address, block.count)
        if data is None:
            raise LookupError(f"the device does not have {block}")
        parts.append(np.frombuffer(data, np.uint8 if block.space.is_bit else ">u2"))
    return np.concatenate([part.astype(np.uint16) for part in parts])


def converter_reading(plant: Plant, k: int, tag: str, tick: int) -> Reading:
    """Return a converter's row as its reports bring it."""
    found = pcs.values(plant, k)
    told: dict[str, float] = {
        "pcs_state": found.integer["ZINV1.GridModSt"],
        "breaker_closed": int(found.breaker_closed),
        "remote_control": int(not found.boolean["XCBR1.Loc"]),
        "pcs_alarms": sum(found.boolean[f"GGIO1.Alm{n + 1}"] << n for n in range(8)),
    }
    for signal, (name, scale) in _analogue().items():
        told[signal] = found.analogue[name] * scale
    layout = layouts.PCS
    values = tuple(
        np.array([round(told[c.signal.name] / c.signal.scale)]).astype(c.signal.dtype)
        for c in layout.columns
    )
    quality = np.full(layout.width, Quality.GOOD, np.uint8)
    return Reading(tag, layout.name, tick * 1000, tick * 1000 + _ARRIVES_AFTER_MS, values, quality)


@cache
def _analogue() -> Mapping[str, tuple[str, float]]:
    """Return data object and factor of every measured signal, from the station's mapping."""
    mapping = tomllib.loads(find("pcs-iec61850.toml").read_text("utf-8"))["signals"]
    return {
        signal: (entry["object"], entry.get("scale", 1.0))
        for signal, entry in mapping.items()
        if "states" not in entry and "object" in entry
    }


def _tell(converter: Converter, command: Command) -> bool:
    point, factor = _POINTS[command.point]
    value = command.value * factor
    if converter.refusal(point, value) is not None:
        return False
    converter.command(point, value)
    return True
