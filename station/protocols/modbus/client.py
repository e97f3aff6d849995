"""One Modbus TCP connection: so many requests at once as the device allows, each reply checked.

A reply that does not match its question costs the connection. docs/adr/0014 tells why the
protocol is spoken here and not by a library.
"""

import asyncio
from collections.abc import Awaitable, Sequence

import numpy as np

from station.protocols.errors import DeviceUnreachable
from station.protocols.modbus.exchange import Exchange
from station.protocols.modbus.mbap import DeviceRefused, Question, Registers, reading, writing
from station.protocols.modbus.profile import Space
from station.protocols.modbus.turn import Urgency

__all__ = ["Connection", "DeviceRefused"]


class Connection:
    """A connection to one server; the unit ids behind it share it.

    Attributes:
        opened: how often it was opened; tells one standing connection from the next.
    """

    def __init__(self, host: str, port: int, *, in_flight: int = 1) -> None:
        """Prepare; `connect` opens it.

        Args:
            host: address of the server.
            port: its TCP port.
            in_flight: most questions under way at once; the rest wait for their turn.
        """
        self.host = host
        self.port = port
        self.opened = 0
        self._in_flight = in_flight
        self._exchange: Exchange | None = None

    @property
    def connected(self) -> bool:
        """Whether the connection stands."""
        return self._exchange is not None and not self._exchange.lost

    @property
    def load(self) -> int:
        """Questions under way and wishes that wait: how long a command would have to."""
        return 0 if self._exchange is None else self._exchange.load

    async def connect(self, timeout_s: float) -> None:
        """Open the connection afresh.

        Raises:
            DeviceUnreachable: nobody accepts it in time.
        """
        self.close()
        peer = f"{self.host}:{self.port}"
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout_s):
                _, exchange = await loop.create_connection(
                    lambda: Exchange(peer, self._in_flight), self.host, self.port
                )
        except (OSError, TimeoutError) as error:
            raise DeviceUnreachable(f"{peer} accepts no connection") from error
        self.opened += 1
        self._exchange = exchange

    def close(self) -> None:
        """Close the connection, if any."""
        if self._exchange is not None:
            self._exchange.close("the connection was given up")
            self._exchange = None

    async def read(
        self,
        unit: int,
        space: Space,
        address: int,
        count: int,
        timeout_s: float,
        *,
        urgency: Urgency = Urgency.POLL,
    ) -> Registers:
        """Return `count` registers (or bits as 0 and 1).

        Args:
            unit: unit id behind the server.
            space: address space.
            address: the first address.
            count: how many.
            timeout_s: an answer later than this counts as none.
            urgency: who goes first when several wait for the line.

        Raises:
            DeviceUnreachable: not connected, or no answer in time.
            DeviceRefused: the device answered with an exception.
            BadReply: the answer does not match the question.
        """
        values = np.empty(count, np.uint16)
        question = reading(unit, space, address, count)
        await self.ask((question,), values, timeout_s, urgency)
        return values

    async def write(
        self,
        unit: int,
        space: Space,
        address: int,
        values: Sequence[int],
        timeout_s: float,
        *,
        single: bool = False,
        urgency: Urgency = Urgency.COMMAND,
    ) -> None:
        """Write registers (or coils) and return when the device has confirmed them.

        Raises:
            DeviceUnreachable, DeviceRefused, BadReply: as in `read`.
        """
        question = writing(unit, space, address, values, single=single)
        await self.ask((question,), None, timeout_s, urgency)

    def ask(
        self,
        questions: Sequence[Question],
        into: Registers | None,
        timeout_s: float,
        urgency: Urgency = Urgency.POLL,
    ) -> Awaitable[None]:
        """Ask several questions of one device; wait for it to have all values in their places.

        Args:
            questions: at least one, in the order in which the device is to hear them.
            into: the vector that takes the values of reads, each from its question's `start` on.
            timeout_s: for each question, from when it is sent.
            urgency: who goes first when several wait; a command passes between two questions.

        Raises:
            DeviceUnreachable, DeviceRefused, BadReply: as in `read`, the first of them; the
                questions that were not sent by then are not asked.
        """
        if self._exchange is None:
            peer = f"{self.host}:{self.port}"
            raise DeviceUnreachable(f"{questions[0]}: no connection to {peer}")
        return self._exchange.ask(questions, into, timeout_s, urgency)
