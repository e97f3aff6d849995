"""Whether a device took what was written: some confirm every write and ignore it.

A command point with ``read_back`` is accepted only when the device shows the value: in the
registers that were written, or in others that tell what it does.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import numpy as np
import numpy.typing as npt

from station.protocols.errors import ProtocolError
from station.protocols.modbus.encode import allowed
from station.protocols.modbus.gather import gather, words_index
from station.protocols.modbus.place import RegisterType, Space, masked
from station.protocols.modbus.write import ReadBack, Write

Read = Callable[[Space, int, int], Awaitable[npt.NDArray[np.uint16]]]
"""Reads so many registers (or bits) from an address on, as often as it is called."""

_AGAIN_S = 0.05
_WITHIN_S = 0.5
_SLACK = 1e-9
"""Share of a tolerance by which arithmetic may miss it."""


class NotTaken(ProtocolError):  # noqa: N818 - reads as a fact: not taken
    """The device confirmed a write and does not show its value."""


async def see(read: Read, write: Write, registers: Sequence[int], value: float) -> None:
    """Return when the device shows what was written; at once where nothing is read back.

    Args:
        read: asks the device.
        write: the command point, as a loaded profile has it.
        registers: what was written.
        value: the command's value, in the signal's unit.

    Raises:
        NotTaken: it did not in time; the text tells both values.
        ProtocolError: the device did not answer.
    """
    shown = write.read_back
    if shown is None:
        return
    within_s = shown.within_s if isinstance(shown, ReadBack) else _WITHIN_S
    deadline_s = time.monotonic() + within_s
    while True:
        if isinstance(shown, ReadBack):
            problem = await _other(read, write, shown, value)
        else:
            problem = await _same(read, write, registers)
        if problem is None:
            return
        if time.monotonic() >= deadline_s:
            raise NotTaken(
                f"{problem} {within_s:g} s after the device confirmed the write: it did not take "
                "it; see whether it is in remote control and allows this value"
            )
        await asyncio.sleep(_AGAIN_S)


async def _same(read: Read, write: Write, registers: Sequence[int]) -> str | None:
    """Return what differs in the registers that were written."""
    space = write.space or Space.HOLDING
    first = write.address - len(write.before)
    found = [int(word) for word in await read(space, first, len(registers))]
    if found == list(registers):
        return None
    return f"{space} {first} shows {_text(found)} instead of {_text(registers)}"


async def _other(read: Read, write: Write, shown: ReadBack, value: float) -> str | None:
    """Return what differs in the register that shows the value."""
    space, kind = shown.space or Space.HOLDING, shown.type or write.type
    words = await read(space, shown.address, kind.words)
    index = words_index(kind, shown.word_order or write.word_order)
    byte_order = shown.byte_order or write.byte_order
    register = float(gather(words, index, kind, byte_order)[0])
    fixed = write.value if shown.equals is None else shown.equals
    where = f"{space} {shown.address} shows"
    if fixed is not None:
        register = register if shown.mask is None else masked(int(register), shown.mask)
        return None if register == fixed else f"{where} {register:g} instead of {fixed}"
    scale = 1.0 if shown.scale is None else shown.scale
    found, wanted = register * scale + (shown.offset or 0.0), allowed(write, value)
    coarser = max(abs(scale), 0.0 if write.type.is_float else abs(write.scale))
    tolerance = coarser / 2 if shown.tolerance is None else shown.tolerance
    if kind is not RegisterType.BIT and abs(found - wanted) <= tolerance * (1 + _SLACK):
        return None
    return None if found == wanted else f"{where} {found:g} instead of {wanted:g}"


def _text(words: Sequence[int]) -> str:
    return " ".join(str(word) for word in words)
