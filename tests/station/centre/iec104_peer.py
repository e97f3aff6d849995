"""A dispatch centre of IEC 60870-5-104 in a process of its own: c104's client, told by JSON lines.

Run as a script it is the client; imported, it is the test's side of it.
"""

import asyncio
import contextlib
import datetime as dt
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]


class Peer:
    """The test's side of a dispatch centre."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def do(self, what: str, **facts: Any) -> Any:
        """Let the centre do something and return what came of it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([what, facts]).encode() + b"\n")
        await self.process.stdin.drain()
        return json.loads(await self.process.stdout.readline())

    async def received(self, ioa: int | None = None) -> list[dict[str, Any]]:
        """Everything that the station has told so far (of one point)."""
        told = await self.do("received")
        return [one for one in told if ioa is None or one["ioa"] == ioa]

    async def until(self, ioa: int, **facts: Any) -> dict[str, Any]:
        """Wait for a telling of a point in which these facts hold; return it."""
        found: list[dict[str, Any]] = []
        async with asyncio.timeout(20):
            while not found:
                told = await self.received(ioa)
                found = [one for one in told if all(one[k] == v for k, v in facts.items())]
        return found[-1]

    async def connected(self) -> bool:
        return bool(await self.do("is_open"))


@contextlib.asynccontextmanager
async def dispatch_centre(port: int) -> AsyncIterator[Peer]:
    """A centre that connects and starts the transfer."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.station.centre.iec104_peer", str(port)),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=1 << 22,
    )
    try:
        yield Peer(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def is_open(peer: Peer) -> None:
    """Wait until the transfer has started."""
    async with asyncio.timeout(20):
        while not await peer.connected():
            pass


class Centre:
    """c104's client: it notes what it is told and commands what it is asked to."""

    def __init__(self, port: int) -> None:
        import c104

        self.c104 = c104
        self.told: list[dict[str, Any]] = []
        self.commands: dict[int, Any] = {}
        self.client = c104.Client(tick_rate_ms=50, command_timeout_ms=1000)
        self.connection: Any = self.client.add_connection("127.0.0.1", port, c104.Init.NONE)
        self.station = self.connection.add_station(common_address=1)
        self._take_what_comes()
        self.client.start()

    def _take_what_comes(self) -> None:
        import c104

        def told(
            point: c104.Point, previous_info: c104.Information, message: c104.IncomingMessage
        ) -> c104.ResponseState:
            at = point.recorded_at
            self.told.append(
                {
                    "ioa": point.io_address,
                    "type": message.type.name,
                    "cause": message.cot.name,
                    "sequence": message.is_sequence,
                    "value": float(point.value),
                    "quality": point.quality.value,
                    "at": None if at is None else at.replace(tzinfo=None).isoformat(),
                }
            )
            return c104.ResponseState.SUCCESS

        def found(
            client: c104.Client, station: c104.Station, io_address: int, point_type: c104.Type
        ) -> None:
            station.add_point(io_address, point_type).on_receive(callable=told)

        self.client.on_new_point(callable=found)

    def is_open(self) -> bool:
        # The client sometimes misses the confirmation of its own STARTDT, and stays muted.
        if self.connection.state == self.c104.ConnectionState.OPEN_MUTED:
            self.connection.unmute()
        return bool(self.connection.state == self.c104.ConnectionState.OPEN)

    def received(self) -> list[dict[str, Any]]:
        return list(self.told)

    def interrogate(self) -> bool:
        self.told.clear()
        return bool(self.connection.interrogation(common_address=1))

    def clock(self) -> bool:
        return bool(self.connection.clock_sync(common_address=1))

    def command(
        self, ioa: int, kind: str, value: float, *, select: bool, at: str | None = None
    ) -> bool:
        c104 = self.c104
        if ioa not in self.commands:
            self.commands[ioa] = self.station.add_point(ioa, getattr(c104.Type, kind))
        point, mode = self.commands[ioa], c104.CommandMode
        point.command_mode = mode.SELECT_AND_EXECUTE if select else mode.DIRECT
        when = None if at is None else dt.datetime.fromisoformat(at)
        if kind.startswith("C_SC"):
            point.info = c104.SingleCmd(on=bool(value), recorded_at=when)
        elif kind.startswith(("C_SE_NB", "C_SE_TB")):
            point.info = c104.ScaledCmd(target=c104.Int16(int(value)), recorded_at=when)
        else:
            point.info = c104.ShortCmd(target=value, recorded_at=when)
        return bool(point.transmit(cause=c104.Cot.ACTIVATION))

    def disconnect(self) -> None:
        self.connection.disconnect()


if __name__ == "__main__":
    centre = Centre(int(sys.argv[1]))
    for line in sys.stdin:
        what, facts = json.loads(line)
        print(json.dumps(getattr(centre, what)(**facts)), flush=True)
