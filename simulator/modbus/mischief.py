"""How a Modbus device misbehaves: what becomes of a reply that is right, and when it is sent."""

import asyncio
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from simulator.modbus.image import Area, Image, Span, Table

_HEADER = struct.Struct(">HHHB")
_NUMBERS = 0x1_0000
_U32 = 0xFFFF_FFFF


@dataclass(frozen=True)
class Mischief:
    """What a unit does wrong; what is not said it does right.

    Attributes:
        delay_s: so late is each reply, and whatever comes after it on the same connection.
        registers_missing: a read brings so many fewer than asked, in a well-formed reply.
        bytes_missing: so many bytes that the header announces never come.
        wrong_transaction: the reply bears the number of another question.
        exception: the code that takes the place of each answer; 0: none.
        other_unit: another unit behind the same address answers, with its own id and values.
        resets: each question is answered by a reset of the connection.
    """

    delay_s: float = 0.0
    registers_missing: int = 0
    bytes_missing: int = 0
    wrong_transaction: bool = False
    exception: int = 0
    other_unit: bool = False
    resets: bool = False


SOUND = Mischief()


def spoiled(mischief: Mischief, transaction: int, unit: int, reply: bytes) -> bytes:
    """Return the frame that is sent in place of a right one.

    Args:
        mischief: what is wrong.
        transaction: number of the question.
        unit: unit id of whoever answers.
        reply: the right answer, from its function code on.
    """
    if mischief.exception:
        reply = bytes((reply[0] | 0x80, mischief.exception))
    if mischief.registers_missing and reply[0] in tuple(Table):
        width = 2 if reply[0] >= Table.HOLDING else 1
        kept = max(reply[1] - width * mischief.registers_missing, 0)
        reply = bytes((reply[0], kept)) + reply[2 : 2 + kept]
    number = (transaction + mischief.wrong_transaction) % _NUMBERS
    frame = _HEADER.pack(number, 0, len(reply) + 1, unit) + reply
    return frame[: max(len(frame) - mischief.bytes_missing, 1)]


def with_clock_off(image: Image, clock: Span, offset_s: int) -> Image:
    """Return an image whose device clock (two registers) is off by so many seconds."""
    areas = tuple(_moved(area, clock, offset_s) for area in image.areas)
    return replace(image, areas=areas)


def _moved(area: Area, clock: Span, offset_s: int) -> Area:
    at = 2 * (clock.start - area.start)
    if area.table is not clock.table or not 0 <= at <= len(area.data) - 4:
        return area
    high, low = struct.unpack_from(">HH", area.data, at)
    if clock.low_word_first:
        high, low = low, high
    seconds = ((high << 16 | low) + offset_s) & _U32
    words = [seconds >> 16, seconds & 0xFFFF]
    if clock.low_word_first:
        words.reverse()
    return replace(area, data=area.data[:at] + struct.pack(">HH", *words) + area.data[at + 4 :])


class Outbox:
    """Frames to one client in their order: at once, or late."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        """Write with `write`."""
        self._write = write
        self._ready: list[bytes] = []
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def send(self, frame: bytes, delay_s: float = 0.0) -> None:
        """Send a frame `delay_s` after those before it; with the next `flush` when none wait."""
        if not self._waiting and not delay_s:
            self._ready.append(frame)
            return
        loop = asyncio.get_running_loop()
        before_s = self._waiting[-1][0] if self._waiting else loop.time()
        self._waiting.append((before_s + delay_s, frame))
        self._set_timer(loop)

    def flush(self) -> None:
        """Write what is ready, all at once."""
        if self._ready:
            frames, self._ready = self._ready, []
            self._write(b"".join(frames))

    def forget(self) -> None:
        """The connection is gone."""
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _set_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is None and self._waiting:
            self._timer = loop.call_at(self._waiting[0][0], self._ring, loop)

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now_s = loop.time()
        while self._waiting and self._waiting[0][0] <= now_s:
            self._ready.append(self._waiting.popleft()[1])
        self.flush()
        self._set_timer(loop)
