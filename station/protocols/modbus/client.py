"""One Modbus TCP connection, asked one request at a time, every reply checked.

pymodbus carries the protocol; it accepts short replies and replies to another function, so
what it returns is compared with what was asked, and a reply that does not match costs the
connection: after it, nobody knows which bytes belong to which question.
"""

import logging
from collections.abc import Awaitable, Sequence

import numpy as np
import numpy.typing as npt
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException, ModbusIOException
from pymodbus.pdu import ModbusPDU

from station.protocols.errors import BadReply, DeviceUnreachable, ProtocolError
from station.protocols.modbus.profile import Space
from station.protocols.modbus.turn import Turn, Urgency

log = logging.getLogger(__name__)

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
"""Modbus application protocol V1.1b3, section 7."""

_READ_FUNCTION = {Space.COIL: 1, Space.DISCRETE: 2, Space.HOLDING: 3, Space.INPUT: 4}
_ERROR_FLAG = 0x80
_NEVER_BY_COUNT = 1 << 30


class DeviceRefused(ProtocolError):  # noqa: N818 - reads as a fact: device refused
    """The device answered with a Modbus exception; `code` is the exception's."""

    def __init__(self, question: str, code: int) -> None:
        """Say what was asked and what the device answered."""
        words = EXCEPTIONS.get(code, "unknown exception")
        super().__init__(f"{question}: the device refuses: {words} (exception {code})")
        self.code = code


class Connection:
    """A connection to one server; the unit ids behind it share it."""

    def __init__(self, host: str, port: int) -> None:
        """Prepare; `connect` opens it."""
        self.host = host
        self.port = port
        self.requests = 0
        self._client: AsyncModbusTcpClient | None = None
        self._turn = Turn()

    @property
    def connected(self) -> bool:
        """Whether the connection stands."""
        return self._client is not None and self._client.connected

    async def connect(self, timeout_s: float) -> None:
        """Open the connection afresh.

        Raises:
            DeviceUnreachable: nobody accepts it in time.
        """
        self.close()
        client = AsyncModbusTcpClient(
            self.host,
            port=self.port,
            timeout=timeout_s,
            retries=0,
            reconnect_delay=0,  # this house reconnects with its own jittered pauses
        )
        # Silent units must not cost their neighbours the connection: the driver decides that.
        client.set_max_no_responses(_NEVER_BY_COUNT)
        if not await client.connect():
            client.close()
            raise DeviceUnreachable(f"{self.host}:{self.port} accepts no connection")
        self._client = client

    def close(self) -> None:
        """Close the connection, if any."""
        if self._client is not None:
            self._client.close()
            self._client = None

    async def read(
        self,
        unit: int,
        space: Space,
        address: int,
        count: int,
        timeout_s: float,
        *,
        urgency: Urgency = Urgency.POLL,
    ) -> npt.NDArray[np.uint16]:
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
        question = f"unit {unit} {space} {address}..{address + count - 1}"
        async with self._turn.take(urgency):
            client = self._standing(question)
            ask = {
                Space.COIL: client.read_coils,
                Space.DISCRETE: client.read_discrete_inputs,
                Space.HOLDING: client.read_holding_registers,
                Space.INPUT: client.read_input_registers,
            }[space]
            client.comm_params.timeout_connect = timeout_s
            reply = await self._ask(ask(address, count=count, device_id=unit), question)
            self._check(client, reply, unit, _READ_FUNCTION[space], question)
            values = list(reply.bits[:count] if space.is_bit else reply.registers)
            whole = len(values) == count and (not space.is_bit or len(reply.bits) < count + 8)
            if not whole:
                self._distrust(f"{question}: {len(values)} values came back")
        return np.array(values, dtype=np.uint16)

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
        question = f"unit {unit} write {space} {address}"
        async with self._turn.take(urgency):
            client = self._standing(question)
            client.comm_params.timeout_connect = timeout_s
            if space is Space.COIL:
                bits = [bool(value) for value in values]
                function = 5 if single else 15
                call = (
                    client.write_coil(address, bits[0], device_id=unit)
                    if single
                    else client.write_coils(address, bits, device_id=unit)
                )
            else:
                function = 6 if single else 16
                call = (
                    client.write_register(address, values[0], device_id=unit)
                    if single
                    else client.write_registers(address, list(values), device_id=unit)
                )
            reply = await self._ask(call, question)
            self._check(client, reply, unit, function, question)
            if reply.address != address or (not single and reply.count != len(values)):
                self._distrust(f"{question}: the device confirms another write")

    def _standing(self, question: str) -> AsyncModbusTcpClient:
        if self._client is None or not self._client.connected:
            raise DeviceUnreachable(f"{question}: no connection to {self.host}:{self.port}")
        return self._client

    async def _ask(self, call: Awaitable[ModbusPDU], question: str) -> ModbusPDU:
        self.requests += 1
        try:
            return await call
        except (ModbusIOException, ConnectionException) as error:
            raise DeviceUnreachable(f"{question}: no answer in time") from error
        except (ModbusException, ValueError, IndexError) as error:
            self.close()
            raise BadReply(f"{question}: the answer cannot be read: {error}") from error

    def _check(
        self,
        client: AsyncModbusTcpClient,
        reply: ModbusPDU,
        unit: int,
        function: int,
        question: str,
    ) -> None:
        if reply.transaction_id != client.ctx.next_tid or reply.dev_id != unit:
            self._distrust(f"{question}: answers transaction {reply.transaction_id} of another")
        if reply.function_code == function | _ERROR_FLAG:
            raise DeviceRefused(question, reply.exception_code)
        if reply.function_code != function or reply.isError():
            self._distrust(f"{question}: answers function {reply.function_code}, not {function}")

    def _distrust(self, problem: str) -> None:
        self.close()
        raise BadReply(problem)
