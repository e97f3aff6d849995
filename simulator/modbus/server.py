"""A Modbus TCP server over register images (Modbus Application Protocol V1.1b3)."""

import asyncio
from collections.abc import Iterable

from simulator.errors import ServerStartError
from simulator.modbus.connection import Address, Connection
from simulator.modbus.image import Image
from simulator.modbus.unit import OnServed, Refusal, Served, Unit, Write, refuse_writes

__all__ = ["ModbusServer", "Refusal", "Served", "Unit", "Write", "refuse_writes"]


class ModbusServer:
    """One listening address with its units."""

    def __init__(self, name: str, units: dict[int, Unit], on_served: OnServed) -> None:
        self.name = name
        self.units = units
        self._shared = Address(name, units, on_served)
        self._server: asyncio.Server | None = None
        self._address: tuple[str, int] = ("", 0)

    @property
    def silent(self) -> bool:
        """Whether it keeps its connections but answers nothing."""
        return self._shared.silent

    @silent.setter
    def silent(self, silent: bool) -> None:
        self._shared.silent = silent

    @property
    def port(self) -> int:
        """The port in use."""
        return self._address[1]

    async def start(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            ServerStartError: the address is taken or not ours.
        """
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(lambda: Connection(self._shared), host, port)
        except OSError as error:
            raise ServerStartError(self.name, host, port, error.strerror or str(error)) from error
        self._address = (host, self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close the listener and all connections; `resume` opens the same port again."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self._shared.connections):
            connection.abort()

    async def resume(self) -> None:
        """Listen again where `start` did."""
        if self._server is None:
            await self.start(*self._address)

    def lose_peers(self, *, lasting: bool) -> None:
        """Answer nothing on the connections that stand, ever again; no word of it is sent.

        `lasting`: nor on those that are accepted from now on, until this is called anew.
        """
        self._shared.loses_peers = lasting
        for connection in self._shared.connections:
            connection.deaf = True

    def publish(self, images: Iterable[tuple[int, Image]]) -> None:
        """Swap in the images of a new tick."""
        for number, image in images:
            self.units[number].show(image)
