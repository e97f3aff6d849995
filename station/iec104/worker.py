"""The process of IEC 60870-5-104, in which alone c104 (GPLv3) is loaded.

Started by `station.centre.iec104_port` as ``python -m station.iec104.worker --fd N --parent P``.
It carries messages between the controller and the library's server (`station.iec104.slave`), whose
calls run in a thread of their own. The process dies with its parent.
"""

import asyncio
import concurrent.futures
import contextlib
import logging
from typing import NoReturn

from station.iec104 import chatter, wire
from station.iec104.slave import ANSWER_S, Slave
from station.logs import set_up_logging
from station.processes import WireError, attend, child_parser, framing, leave
from station.processes.child import open_stream

log = logging.getLogger(__name__)

_BEAT_S = 0.25


class Session:
    """One life of the process, from the setup message to the end of the stream."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, log_level: str
    ) -> None:
        """Talk to the controller over this stream."""
        self._log_level = log_level
        self._reader = reader
        self._writer = writer
        self._library = concurrent.futures.ThreadPoolExecutor(1, "library")

    async def run(self) -> int:
        """Serve until the controller closes; return the exit status of the process."""
        setup = await self._receive()
        if not isinstance(setup, wire.Setup):
            raise WireError(f"the first message must be the setup, not {type(setup).__name__}")
        loop = asyncio.get_running_loop()
        slave = Slave(setup, loop, self._send)
        chatter.redirect(slave.unselected)
        set_up_logging(self._log_level)
        try:
            port = await loop.run_in_executor(self._library, slave.open)
        except (OSError, RuntimeError, ValueError) as error:
            self._send(wire.Failed(str(error)))
            await self._writer.drain()
            return 1
        self._send(wire.Opened(port))
        beat = asyncio.create_task(self._beat(slave))
        try:
            await self._listen(slave)
        finally:
            beat.cancel()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ANSWER_S):
                    await loop.run_in_executor(self._library, slave.close)
        return 0

    async def _listen(self, slave: Slave) -> None:
        loop = asyncio.get_running_loop()
        while True:
            match await self._receive():
                case wire.Values(rows):
                    done = loop.run_in_executor(self._library, slave.apply, rows)
                    done.add_done_callback(_tell_failure)
                case wire.Verdict() as verdict:
                    slave.answer(verdict)
                case wire.Close() | None:
                    return
                case other:
                    raise WireError(f"a controller sends no {type(other).__name__}")

    async def _beat(self, slave: Slave) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._send(await loop.run_in_executor(self._library, slave.beat))
            await asyncio.sleep(_BEAT_S)

    async def _receive(self) -> wire.Message | None:
        frame = await framing.receive(self._reader, most=wire.MAX_MESSAGE_BYTES)
        return None if frame is None else wire.decode(frame)

    def _send(self, message: wire.Message) -> None:
        self._writer.write(wire.encode(message))


def _tell_failure(done: "asyncio.Future[None]") -> None:
    if not done.cancelled() and (error := done.exception()) is not None:
        log.error("event=values_not_shown reason=%r", error)


async def _serve(fd: int, log_level: str) -> int:
    reader, writer = await open_stream(fd, most=wire.MAX_MESSAGE_BYTES)
    return await Session(reader, writer, log_level).run()


def main() -> NoReturn:
    """Run the process."""
    arguments = child_parser("Stationmaster IEC 60870-5-104 process").parse_args()
    attend(arguments.parent)
    try:
        status = asyncio.run(_serve(arguments.fd, arguments.log_level))
    except WireError:
        log.exception("event=gave_up")
        status = 1
    leave(status)


if __name__ == "__main__":
    main()
