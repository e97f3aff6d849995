"""Questions and replies on one open connection: who waits, what is under way, what came back.

So many questions as the device allows are under way at once; the transaction number in each
reply tells which it answers, in whatever order they come. A reply to a question that was given
up is dropped. A number that was never given out, a reply that does not match its question, one
that breaks off, or bytes that are no header cost the connection: after them, nobody knows which
bytes belong to which question. One alarm serves all the questions of a connection, so a question
costs no timer.
"""

import asyncio
import math
import time
from collections.abc import Sequence
from typing import NamedTuple

from station.protocols.errors import BadReply, DeviceUnreachable, ProtocolError
from station.protocols.modbus.mbap import (
    HEADER,
    LENGTHS,
    DeviceRefused,
    Question,
    Registers,
    take_reply,
)
from station.protocols.modbus.turn import Turns, Urgency

_NUMBERS = 0x1_0000
_REMEMBERED = 1024
"""So many transactions back, a number still names a question that was given up or answered."""
_BUFFER = 1 << 14
"""Bytes taken from the socket at once: sixty of the longest replies."""


class Transfer:
    """Questions that are wanted together: all of them, or an error."""

    __slots__ = ("asked", "done", "into", "open", "questions", "timeout_s")

    def __init__(
        self,
        questions: Sequence[Question],
        into: Registers | None,
        timeout_s: float,
        done: asyncio.Future[None],
    ) -> None:
        self.questions = questions
        self.into = into
        self.timeout_s = timeout_s
        self.done = done
        self.asked = 0
        self.open = len(questions)


class _UnderWay(NamedTuple):
    transfer: Transfer
    question: Question
    deadline_s: float


class Exchange(asyncio.BufferedProtocol):
    """The questions of one open connection.

    Attributes:
        lost: why it stands no more; empty while it does.
        requests: questions sent.
    """

    def __init__(self, peer: str, in_flight: int) -> None:
        """Prepare; the event loop opens the connection."""
        self.lost = ""
        self.requests = 0
        self._peer = peer
        self._places = in_flight
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._buffer = bytearray(_BUFFER)
        self._view = memoryview(self._buffer)
        self._filled = 0
        self._number = 0
        self._under_way: dict[int, _UnderWay] = {}
        self._turns: Turns[Transfer] = Turns()
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_s = math.inf

    @property
    def load(self) -> int:
        """Questions under way and transfers that wait."""
        return len(self._under_way) + len(self._turns)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        self._transport = transport  # type: ignore[assignment] # a stream's, by this protocol

    def ask(
        self,
        questions: Sequence[Question],
        into: Registers | None,
        timeout_s: float,
        urgency: Urgency,
    ) -> asyncio.Future[None]:
        """Ask them in turn; the future is done when all replies are in their places.

        It fails with the first `ProtocolError` of them, and the others are not asked any more.
        Who gives up waiting cancels it. Each time-out counts from the sending of its question.
        """
        done: asyncio.Future[None] = self._loop.create_future()
        transfer = Transfer(questions, into, timeout_s, done)
        if self.lost:
            done.set_exception(DeviceUnreachable(f"{questions[0]}: {self.lost}"))
        elif self._turns or len(questions) > 1 or len(self._under_way) >= self._places:
            self._turns.join(urgency, transfer)
            self._send_waiting()
        else:
            self._send(transfer, questions[0])
        return done

    def close(self, reason: str) -> None:
        """Close the connection; whatever is under way or waits is unreachable."""
        self._end(DeviceUnreachable, reason)

    def _send_waiting(self) -> None:
        """Send the next questions, as long as there is a place."""
        turns = self._turns
        while turns and len(self._under_way) < self._places:
            transfer = turns.first()
            if transfer.done.done():
                turns.leave()
                continue
            question = transfer.questions[transfer.asked]
            transfer.asked += 1
            if transfer.asked == len(transfer.questions):
                turns.leave()
            self._send(transfer, question)

    def _send(self, transfer: Transfer, question: Question) -> None:
        self._number = number = (self._number + 1) % _NUMBERS
        deadline_s = time.monotonic() + transfer.timeout_s
        self._under_way[number] = _UnderWay(transfer, question, deadline_s)
        self.requests += 1
        self._transport.write(number.to_bytes(2) + question.body)
        if deadline_s < self._alarm_s:
            self._wake_at(deadline_s)

    def _wake_at(self, deadline_s: float) -> None:
        """Set the alarm; one that rings while nothing is overdue is set anew."""
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_s = deadline_s
        self._alarm = self._loop.call_at(deadline_s, self._give_up)

    def _give_up(self) -> None:
        """Give up the questions whose time is over."""
        self._alarm, self._alarm_s = None, math.inf
        now_s = time.monotonic()
        if self._filled and any(one.deadline_s <= now_s for one in self._under_way.values()):
            self._end(BadReply, "the answer breaks off")
            return
        for number, (transfer, question, deadline_s) in list(self._under_way.items()):
            if deadline_s <= now_s:
                del self._under_way[number]
                self._fail(transfer, DeviceUnreachable(f"{question}: no answer in time"))
        self._send_waiting()
        if self._under_way:
            self._wake_at(min(one.deadline_s for one in self._under_way.values()))

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where the next bytes go: behind the beginning of a reply that is not whole."""
        del sizehint
        return self._view[self._filled :] if self._filled else self._view

    def buffer_updated(self, nbytes: int) -> None:
        """Take the replies that are whole; keep the rest until more comes."""
        data, at, end = self._buffer, 0, self._filled + nbytes
        while end - at >= HEADER.size:
            number, protocol, length, unit, function = HEADER.unpack_from(data, at)
            if protocol or length not in LENGTHS:
                self._end(BadReply, "the answer cannot be read: no Modbus header")
                return
            if end - at < 6 + length:
                break
            one = self._under_way.pop(number, None)
            if one is not None:
                if not self._take(one, at, length, unit, function):
                    return
            elif (self._number - number) % _NUMBERS >= min(self.requests, _REMEMBERED):
                self._end(BadReply, f"answers transaction {number} of another")
                return
            at += 6 + length
        self._filled = end - at
        if at < end:
            data[: end - at] = data[at:end]
        if self._turns:
            self._send_waiting()

    def _take(self, one: _UnderWay, at: int, length: int, unit: int, function: int) -> bool:
        """Take one whole reply; return whether the connection may stand."""
        transfer = one.transfer
        try:
            # What was given up takes nothing more, but must be in good order all the same.
            into = None if transfer.done.done() else transfer.into
            take_reply(one.question, self._buffer, at, length, unit, function, into)
        except DeviceRefused as error:
            self._fail(transfer, error)
        except BadReply as error:
            self._fail(transfer, error)
            self._end(BadReply, str(error))
            return False
        else:
            transfer.open -= 1
            if not transfer.open and not transfer.done.done():
                transfer.done.set_result(None)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side is gone."""
        how = "lost" if exc else "closed by the device"
        self._end(DeviceUnreachable, f"no answer: the connection is {how}")

    def _end(self, kind: type[ProtocolError], reason: str) -> None:
        """Close, and tell those under way why and those that wait that nobody answers."""
        if self.lost:
            return
        self.lost = f"no connection to {self._peer}"
        self._transport.abort()
        if self._alarm is not None:
            self._alarm.cancel()
        for transfer, question, _ in self._under_way.values():
            self._fail(transfer, kind(f"{question}: {reason}"))
        self._under_way.clear()
        while self._turns:
            transfer = self._turns.leave()
            first = transfer.questions[transfer.asked]
            self._fail(transfer, DeviceUnreachable(f"{first}: {self.lost}"))

    def _fail(self, transfer: Transfer, error: ProtocolError) -> None:
        if not transfer.done.done():
            transfer.done.set_exception(error)
