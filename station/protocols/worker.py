"""The driver process: one protocol family, alone, so that what hangs or crashes here stays here.

Started by `station.protocols.host` as ``python -m station.protocols.worker --fd N --parent P``
with one end of a socket pair. It takes one setup message, runs the driver, sends what the
driver publishes, and beats while the driver makes progress. It dies with its parent.
"""

import asyncio
import contextlib
import logging
from typing import NoReturn

from station.clock import now_ms
from station.logs import set_up_logging
from station.processes import WireError, attend, child_parser, leave
from station.processes.child import open_stream
from station.protocols import wire
from station.protocols.bundle import bundled
from station.protocols.driver import (
    CommandOutcome,
    DeviceCommand,
    Driver,
    DriverSetup,
    FastHealth,
    FastReading,
    Publication,
    Reading,
    TimedOut,
    load_driver,
)
from station.protocols.errors import ProtocolError
from station.realtime import ask_for_priority, spare_the_collector

log = logging.getLogger(__name__)

HEARTBEAT_S = 0.5
CLOSE_S = 2.0
GATHER_S = 0.02
"""Readings that come within so long travel together; nobody acts on them before the next second."""
MAX_BACKLOG_BYTES = 64 << 20
"""Ten minutes of a large station: a host that reads nothing for so long is no host."""


class Session:
    """One life of a driver process, from the setup message to the end of the stream."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk to the host over this stream."""
        self._reader = reader
        self._writer = writer
        self._commands: set[asyncio.Task[None]] = set()
        self._gathered: list[Reading] = []

    async def run(self) -> int:
        """Serve until the host closes; return the exit status of the process."""
        setup = await wire.receive(self._reader)
        if not isinstance(setup, DriverSetup):
            raise WireError(f"the first message must be the setup, not {type(setup).__name__}")
        try:
            driver = load_driver(setup.driver)(setup.devices, setup.resume)
        except ProtocolError as error:
            log.error("driver=%s event=cannot_start reason=%r", setup.driver, str(error))  # noqa: TRY400 - the text is the whole story
            self._send(wire.Failed(str(error)))
            await self._writer.drain()
            return 1
        spare_the_collector()  # maps of hundreds of devices, which stay until the end
        serve = asyncio.create_task(driver.run(self._send))
        beat = asyncio.create_task(self._beat(driver))
        listen = asyncio.create_task(self._listen(driver))
        done, _ = await asyncio.wait({serve, beat, listen}, return_when=asyncio.FIRST_COMPLETED)
        self._send_gathered()
        failures = [task.exception() for task in done if task.exception() is not None]
        for failure in failures:
            log.error("driver=%s event=ended", setup.driver, exc_info=failure)
        return 1 if failures else 0

    async def _listen(self, driver: Driver) -> None:
        """Take commands until the host closes or is gone."""
        while True:
            message = await wire.receive(self._reader)
            match message:
                case DeviceCommand():
                    task = asyncio.create_task(self._carry_out(driver, message))
                    self._commands.add(task)
                    task.add_done_callback(self._commands.discard)
                case wire.Close():
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(CLOSE_S):
                            await driver.close()
                    return
                case None:
                    return
                case _:
                    raise WireError(f"a host sends no {type(message).__name__}")

    async def _carry_out(self, driver: Driver, command: DeviceCommand) -> None:
        remaining_ms = max(0, command.deadline_ms - now_ms())
        try:
            async with asyncio.timeout(remaining_ms / 1000):
                outcome: CommandOutcome = await driver.command(command)
        except TimeoutError:
            outcome = TimedOut(command.id, now_ms(), "no confirmation before the deadline")
        except Exception as error:  # it may have taken effect all the same
            log.exception("device=%s event=command_failed point=%s", command.device, command.point)
            outcome = TimedOut(command.id, now_ms(), f"the driver failed: {error!r}")
        self._send(outcome)

    async def _beat(self, driver: Driver) -> None:
        beat = 0
        while True:
            if driver.healthy():
                self._send(wire.Heartbeat(beat))
                beat += 1
            await asyncio.sleep(HEARTBEAT_S)

    def _send(self, message: Publication | CommandOutcome | wire.Heartbeat | wire.Failed) -> None:
        """Send a message; a reading waits for others, and whatever it precedes waits for it."""
        match message:
            case Reading():
                if not self._gathered:
                    asyncio.get_running_loop().call_later(GATHER_S, self._send_gathered)
                self._gathered.append(message)
                return
            case FastReading() | FastHealth() | wire.Heartbeat():
                pass
            case _:
                self._send_gathered()
        self._write(message)

    def _send_gathered(self) -> None:
        readings, self._gathered = self._gathered, []
        for bundle in bundled(readings):
            self._write(bundle)

    def _write(self, message: wire.Message) -> None:
        if self._writer.transport.get_write_buffer_size() > MAX_BACKLOG_BYTES:
            raise WireError("the host has stopped reading; start afresh")
        self._writer.write(wire.encode(message))


async def _serve(fd: int) -> int:
    reader, writer = await open_stream(fd, most=wire.MAX_MESSAGE_BYTES)
    return await Session(reader, writer).run()


def main() -> NoReturn:
    """Run the driver process."""
    parser = child_parser("Stationmaster driver process")
    parser.add_argument("driver", help="its name, for whoever lists the processes")
    parser.add_argument("--realtime", type=int, default=0)
    arguments = parser.parse_args()
    attend(arguments.parent)
    set_up_logging(arguments.log_level)
    ask_for_priority(arguments.realtime, threads_too=True)
    try:
        status = asyncio.run(_serve(arguments.fd))
    except WireError:
        log.exception("driver=%s event=gave_up", arguments.driver)
        status = 1
    leave(status)


if __name__ == "__main__":
    main()
