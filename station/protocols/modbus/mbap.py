"""Modbus TCP on the wire: the bytes of a question, and what its reply must look like.

Values in, values out; no socket is opened here. Sources: MODBUS Messaging on TCP/IP
Implementation Guide V1.0b, 3.1.3 (the header), and MODBUS Application Protocol V1.1b3,
section 6 (functions) and 7 (exceptions). A reply that differs from what was asked in any way
is no reply: it is named, and nothing of it is used.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from station.protocols.errors import BadReply, ProtocolError
from station.protocols.modbus.profile import Space

Registers = npt.NDArray[np.uint16]

EXCEPTIONS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "server device failure",
    5: "acknowledged, still working",
    6: "server device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target device failed to respond",
}
"""MODBUS Application Protocol V1.1b3, section 7."""
BEHIND_GATEWAY = frozenset({10, 11})
"""Exceptions by which a gateway says that it is the device that is silent."""

HEADER = struct.Struct(">HHHBB")
"""Transaction, protocol (0), bytes that follow this field, unit, function."""
LENGTHS = range(2, 255)
"""What the third field of a header can be: unit and function, up to a PDU of 253 bytes."""
_BEFORE_LENGTH = 6
_DATA = 9
"""Where the data of a read's reply begin: after its byte count."""
_EXCEPTION_LENGTH = 3
_WRITE_LENGTH = 6
_ERROR_FLAG = 0x80
_READ_FUNCTION = {Space.COIL: 1, Space.DISCRETE: 2, Space.HOLDING: 3, Space.INPUT: 4}
_WRITE_COIL, _WRITE_REGISTER, _WRITE_COILS, _WRITE_REGISTERS = 5, 6, 15, 16
_COIL_ON = 0xFF00


class DeviceRefused(ProtocolError):  # noqa: N818 - reads as a fact: device refused
    """The device answered with a Modbus exception; `code` is the exception's."""

    def __init__(self, question: str, code: int) -> None:
        """Say what was asked and what the device answered."""
        words = EXCEPTIONS.get(code, "unknown exception")
        super().__init__(f"{question}: the device refuses: {words} (exception {code})")
        self.code = code

    @property
    def is_silence(self) -> bool:
        """Whether a gateway says so of a device that does not answer it."""
        return self.code in BEHIND_GATEWAY


@dataclass(frozen=True, slots=True)
class Question:
    """One request, all but its transaction number, and the shape of its reply.

    Attributes:
        body: the bytes behind the transaction number.
        space: address space.
        address: the first address.
        count: how many registers or bits.
        size: bytes of data that a read's reply brings; 0 for a write.
        start: where the values land in the vector of registers.
    """

    body: bytes
    unit: int
    function: int
    space: Space
    address: int
    count: int
    size: int
    start: int = 0

    def __str__(self) -> str:
        """Say it in words."""
        if self.size:
            last = self.address + self.count - 1
            return f"unit {self.unit} {self.space} {self.address}..{last}"
        return f"unit {self.unit} write {self.space} {self.address}"


def new_registers(size: int) -> Registers:
    """Return a vector for the replies to several questions."""
    return np.zeros(size, np.uint16)


@lru_cache(maxsize=4096)
def reading(unit: int, space: Space, address: int, count: int, start: int = 0) -> Question:
    """Return the question for `count` registers or bits, whose values land from `start` on."""
    function = _READ_FUNCTION[space]
    body = struct.pack(">HHBBHH", 0, 6, unit, function, address, count)
    size = (count + 7) // 8 if space.is_bit else 2 * count
    return Question(body, unit, function, space, address, count, size, start)


def writing(
    unit: int, space: Space, address: int, values: Sequence[int], *, single: bool
) -> Question:
    """Return the request that writes registers or coils, one by its own function if `single`."""
    count = len(values)
    if single:
        function = _WRITE_COIL if space is Space.COIL else _WRITE_REGISTER
        value = _COIL_ON * bool(values[0]) if space is Space.COIL else values[0]
        pdu = struct.pack(">BHH", function, address, value)
    else:
        function = _WRITE_COILS if space is Space.COIL else _WRITE_REGISTERS
        if space is Space.COIL:
            data = np.packbits(np.array(values, bool), bitorder="little").tobytes()
        else:
            data = struct.pack(f">{count}H", *values)
        pdu = struct.pack(">BHHB", function, address, count, len(data)) + data
    body = struct.pack(">HHB", 0, len(pdu) + 1, unit) + pdu
    return Question(body, unit, function, space, address, count, 0)


def take_reply(  # noqa: PLR0917 - a reply is parsed in place, thousands of times a second
    question: Question,
    data: bytearray,
    at: int,
    length: int,
    unit: int,
    function: int,
    into: Registers | None,
) -> None:
    """Check one whole reply and put the values that it brings into their places.

    Args:
        question: what was asked.
        data: bytes in which the reply begins at `at`.
        at: where.
        length: third field of its header.
        unit: fourth field.
        function: fifth field.
        into: the vector that takes the values of a read: registers, or bits as 0 and 1.

    Raises:
        DeviceRefused: the device answered with an exception.
        BadReply: the reply does not match the question.
    """
    if unit != question.unit:
        raise BadReply(f"{question}: unit {unit} answers")
    if function != question.function:
        if function == question.function | _ERROR_FLAG and length == _EXCEPTION_LENGTH:
            raise DeviceRefused(str(question), data[at + HEADER.size])
        raise BadReply(f"{question}: answers function {function}, not {question.function}")
    size = question.size
    if not size:
        _check_confirmed(question, data, at, length)
    elif length != _DATA - _BEFORE_LENGTH + size or data[at + HEADER.size] != size:
        found = length - (_DATA - _BEFORE_LENGTH)
        raise BadReply(f"{question}: {found} bytes of data came back, not {size}")
    elif into is not None:
        start, count = question.start, question.count
        if question.space.is_bit:
            packed = np.frombuffer(data, np.uint8, size, at + _DATA)
            into[start : start + count] = np.unpackbits(packed, count=count, bitorder="little")
        else:
            into[start : start + count] = np.frombuffer(data, ">u2", count, at + _DATA)


def _check_confirmed(question: Question, data: bytearray, at: int, length: int) -> None:
    """Compare what a device confirms with the write that it was asked for.

    A single write is echoed (V1.1b3, 6.5 and 6.6), one of many confirmed by its count.
    """
    if length == _WRITE_LENGTH:
        address, last = struct.unpack_from(">HH", data, at + HEADER.size)
        single = question.function in {_WRITE_COIL, _WRITE_REGISTER}
        wanted = int.from_bytes(question.body[-2:]) if single else question.count
        if address == question.address and last == wanted:
            return
        if address == question.address and single:
            raise BadReply(f"{question}: the device confirms {last} instead of {wanted}")
    raise BadReply(f"{question}: the device confirms another write")
