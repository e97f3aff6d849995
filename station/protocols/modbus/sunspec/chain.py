"""The chain of models on a SunSpec device: found by asking it, from the marker to the end.

A device begins with "SunS" at one of three addresses; then each model tells its id and length,
so that one that nobody knows can be stepped over. An id of 0xFFFF ends the chain.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from station.protocols.errors import BadReply, DeviceUnreachable, ProtocolError
from station.protocols.modbus.place import ADDRESSES
from station.protocols.modbus.sunspec.model import Model, known_models, model

BASES = (40000, 50000, 0)
"""Where the marker may lie; SunSpec Modbus Interface Specification."""
MARKER = 0x5375_6E53
"""The characters SunS."""

ReadHolding = Callable[[int, int], Awaitable[npt.NDArray[np.uint16]]]
"""Reads so many holding registers from an address on."""

_END = 0xFFFF
_MAX_MODELS = 4096
_NOTHING = (0, 0xFFFF)
_STRING, _MODULE = 804, 805
_TOLD_COUNT = {_MODULE: "NCell"}
"""Points that tell a count where the model's definition leaves it to the length."""


class NoSunSpec(ProtocolError):  # noqa: N818 - reads as a fact: no SunSpec
    """The device answers, and no SunSpec marker lies where one should."""


@dataclass(frozen=True)
class Found:
    """One model of a device.

    Attributes:
        address: of its id.
        length: registers after id and length.
        count: repetitions of its group, as the device tells it.
        string, module: which battery string or module it describes, from 1; 0 for neither.
    """

    id: int
    address: int
    length: int
    count: int = 0
    string: int = 0
    module: int = 0

    @property
    def definition(self) -> Model | None:
        """The model's definition, None where it does not ship."""
        return model(self.id) if self.id in known_models() else None


@dataclass(frozen=True)
class Chain:
    """A device's models in their order; `notes` say what was odd about them."""

    base: int
    models: tuple[Found, ...]
    notes: tuple[str, ...] = ()


async def discover(read: ReadHolding) -> Chain:
    """Walk the chain of a device.

    Args:
        read: asks the device.

    Raises:
        NoSunSpec: there is no marker.
        DeviceUnreachable: the device does not answer.
        BadReply: its chain has no end.
    """
    base = await _find_marker(read)
    at, found, notes = base + 2, list[Found](), list[str]()
    while len(found) < _MAX_MODELS and at + 1 < ADDRESSES:
        header = await _header(read, at)
        if header is None:
            notes.append(f"the chain stops at {at} without its end mark 0xFFFF")
            return Chain(base, tuple(found), tuple(notes))
        number, length = header
        if number == _END:
            return Chain(base, tuple(found), tuple(notes))
        if number == 0:
            raise BadReply(f"the model chain is broken: model id 0 at holding {at}")
        one = await _counted(read, Found(number, at, length), notes)
        found.append(_in_string(one, found))
        at += 2 + length
    raise BadReply(f"the model chain has no end: {len(found)} models up to address {at}")


async def _find_marker(read: ReadHolding) -> int:
    answers = []
    for base in BASES:
        try:
            words = await read(base, 2)
        except DeviceUnreachable:
            raise
        except ProtocolError as error:
            answers.append(f"{base}: {error}")
            continue
        if int(words[0]) << 16 | int(words[1]) == MARKER:
            return base
        answers.append(f"{base}: 0x{int(words[0]):04X} 0x{int(words[1]):04X}")
    raise NoSunSpec(
        f"no marker 'SunS' ({'; '.join(answers)}): see whether SunSpec is switched on in the "
        "device and whether the unit id is right; else it needs a profile of its own"
    )


async def _header(read: ReadHolding, at: int) -> tuple[int, int] | None:
    """Return id and length of the model at an address, None where the device has none."""
    try:
        words = await read(at, 2)
    except DeviceUnreachable:
        raise
    except ProtocolError:
        return None
    return int(words[0]), int(words[1])


async def _counted(read: ReadHolding, one: Found, notes: list[str]) -> Found:
    """Return the model with what the device tells of its repetitions and its place."""
    definition = one.definition
    if definition is None:
        return one

    async def tell(name: str) -> int:
        point = definition.points[name]
        value = int((await read(one.address + point.offset, 1))[0])
        return 0 if value in _NOTHING else value

    if one.id == _STRING:
        one = replace(one, string=await tell("Idx"))
    if one.id == _MODULE:
        one = replace(one, string=await tell("StrIdx"), module=await tell("ModIdx"))
    if definition.group is None:
        if one.length + 2 < definition.words:
            notes.append(f"model {one.id} at {one.address} is shorter than its definition")
        return one
    room = definition.room(one.length)
    name = definition.group.count or _TOLD_COUNT.get(one.id, "")
    told = await tell(name) if name else room
    if told > room:
        notes.append(
            f"model {one.id} at {one.address} tells {name} {told}, its length has room for {room}"
        )
    return replace(one, count=min(told, room) if told else room)


def _in_string(one: Found, before: list[Found]) -> Found:
    """Number strings and modules in their order where the device does not."""
    if one.id == _STRING and not one.string:
        return replace(one, string=1 + sum(other.id == _STRING for other in before))
    if one.id == _MODULE and not one.string:
        strings = [other.string for other in before if other.id == _STRING]
        one = replace(one, string=strings[-1] if strings else 1)
    if one.id == _MODULE and not one.module:
        same = sum(other.id == _MODULE and other.string == one.string for other in before)
        return replace(one, module=same + 1)
    return one
