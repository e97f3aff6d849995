"""The estimator process: takes moments from a pipe, ticks, and writes back what it makes of them.

Started by `station.estimation.host` as ``python -m station.estimation.worker``. It runs below the
controller's priority and on one thread, keeps its state on the disk, and dies with its parent.
Whatever it cannot do is told or ends it; the controller never waits for it.
"""

import asyncio
import contextlib
import logging
import math
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NoReturn, TypeVar

import numpy as np
import psutil

from station.errors import StationError
from station.estimation import wire
from station.estimation.engine import Engine
from station.estimation.keeping import Kept, KeptStateError, keep, recall
from station.logs import set_up_logging
from station.processes import Starving, WireError, attend, child_parser, framing, leave
from station.processes.child import open_stream

log = logging.getLogger(__name__)
_Made = TypeVar("_Made")

_BEAT_S = 1.0
_LONGEST_STEP_S = 60.0
"""Of a hundred thousand cells, in which the process could run; it takes a second or two."""
_NICE = 5
_FEW_TAGS = 8
"""So many racks that begin cold are named in the log."""


class Session:
    """One life of the process, from the setup message to the end of the stream."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk to the host over this stream."""
        self._reader = reader
        self._writer = writer
        self._process = psutil.Process()
        self._keeping: asyncio.Task[None] | None = None
        self._kept: Kept | None = None
        self._kept_s = 0.0
        self._cells_ms = 0
        self._reason = ""
        self._begun = False
        self._busy_since_s = math.inf
        self._clock = (time.monotonic(), time.process_time())
        self._cannot_keep = False

    async def run(self) -> int:
        """Serve until the host closes or is gone; return the exit status."""
        frame = await framing.receive(self._reader, most=wire.MAX_MESSAGE_BYTES)
        setup = None if frame is None else wire.decode(frame)
        if not isinstance(setup, wire.Setup):
            raise WireError(f"the first message must be the setup, not {type(setup).__name__}")
        try:
            engine = Engine(setup)
        except StationError as error:
            log.error("event=cannot_start reason=%r", str(error))  # noqa: TRY400 - the text is the whole story
            self._send(wire.Failed(str(error)))
            await self._writer.drain()
            return 1
        self._recall(Path(setup.state_file))
        self._kept_s = time.monotonic()
        beat = asyncio.create_task(self._beat())
        listen = asyncio.create_task(self._listen(engine, setup))
        done, _ = await asyncio.wait({beat, listen}, return_when=asyncio.FIRST_COMPLETED)
        await self._finish(engine, Path(setup.state_file))
        for task in done:
            if task.exception() is not None:
                log.error("event=ended", exc_info=task.exception())
                return 1
        return 0

    def _recall(self, file: Path) -> None:
        try:
            self._kept = recall(file)
        except KeptStateError as error:
            self._reason = str(error)

    async def _listen(self, engine: Engine, setup: wire.Setup) -> None:
        """Take messages until the host closes or is gone."""
        while True:
            frame = await framing.receive(self._reader, most=wire.MAX_MESSAGE_BYTES)
            match None if frame is None else wire.decode(frame):
                case wire.Moment() as moment:
                    await self._take(engine, setup, moment)
                case wire.Arrange("shadow", folder):
                    await self._at_work(partial(engine.shadow, Path(folder)))
                case wire.Arrange("promote"):
                    engine.promote()
                case wire.Arrange("drop_shadow"):
                    engine.drop_shadow()
                case wire.Close() | None:
                    return
                case other:
                    raise WireError(f"a host sends no {type(other).__name__}")

    async def _take(self, engine: Engine, setup: wire.Setup, moment: wire.Moment) -> None:
        if not self._begun and not await self._begin(engine, moment):
            self._send(wire.Waiting(moment.at_ms))
            return
        if engine.at_ms == 0:
            # What went on before is told by the age of the state, not by the first samples.
            nothing = np.zeros_like(moment.arrays["elapsed_s"])
            moment = wire.Moment(moment.at_ms, {**moment.arrays, "elapsed_s": nothing})
        made = await self._at_work(lambda: engine.take(moment))
        now_s = time.monotonic()
        due = moment.at_ms - self._cells_ms >= 1000 * setup.cells_period_s
        self._cells_ms = moment.at_ms if due else self._cells_ms
        share = self._core_share()
        second = made.second
        made.station["estimator_core_share"] = share
        made.station["model_version"] = float(made.active.version)
        if second is not None:
            made.station["shadow_version"] = float(second.version)
            made.station["shadow_innovation_ratio"] = second.ratio
        memory = int(self._process.memory_info().rss)
        self._send(
            wire.Answer(
                at_ms=moment.at_ms,
                station=made.station,
                racks=made.racks,
                cells=made.cells if due else {},
                report=wire.Report(
                    *(made.active, second, memory, share, engine.shadow_error), engine.soh_unused
                ),
                findings=made.findings,
                doubts=made.doubts,
            )
        )
        if now_s - self._kept_s >= setup.state_period_s and self._is_idle:
            self._kept_s = now_s
            self._keeping = asyncio.create_task(self._keep(engine, Path(setup.state_file)))

    @property
    def _is_idle(self) -> bool:
        return self._keeping is None or self._keeping.done()

    async def _at_work(self, step: Callable[[], _Made]) -> _Made:
        """Take a step beside the beats, which tell that it goes on."""
        self._busy_since_s = time.monotonic()
        try:
            return await asyncio.to_thread(step)
        finally:
            self._busy_since_s = math.inf

    async def _begin(self, engine: Engine, moment: wire.Moment) -> bool:
        """Come to a state; False while it is waited for."""
        kept = self._kept
        try:
            began = await self._at_work(lambda: engine.begin(moment, kept))
        except KeptStateError as error:
            self._reason = str(error)
            began = await self._at_work(lambda: engine.begin(moment, None))
        self._kept = None if began is None and self._reason else self._kept
        if began is None:
            return False
        self._begun, self._kept = True, None
        began = replace(began, reason=began.reason or self._reason)
        few = " ".join([*began.cold[:_FEW_TAGS], *["..."] * (len(began.cold) > _FEW_TAGS)])
        log.info(
            "event=begun how=%s away_s=%.0f resumed=%d cold=%d cold_racks=%r reason=%r",
            *(began.how, began.away_s, began.resumed, len(began.cold), few, began.reason),
        )
        self._send(began)
        return True

    def _core_share(self) -> float:
        """Return the share of a core that was used since the last call."""
        wall_s, cpu_s = self._clock
        self._clock = time.monotonic(), time.process_time()
        return (self._clock[1] - cpu_s) / max(1e-3, self._clock[0] - wall_s)

    async def _keep(self, engine: Engine, file: Path) -> None:
        kept = engine.kept()
        if kept is None:
            return
        try:
            await asyncio.to_thread(keep, file, kept)
        except OSError as error:
            if not self._cannot_keep:
                log.error("event=state_not_kept reason=%r", str(error))  # noqa: TRY400 - the text is the whole story
            self._cannot_keep = True
            return
        if self._cannot_keep:
            log.info("event=state_kept_again")
        self._cannot_keep = False

    async def _finish(self, engine: Engine, file: Path) -> None:
        """Keep the state a last time."""
        if self._keeping is not None:
            await self._keeping
        await self._keep(engine, file)

    async def _beat(self) -> None:
        """Tell that the process lives: while no moments come, and while one takes its time.

        A step that does not end in a minute is a process that hangs; the time in which the machine
        did not let it run does not count.
        """
        starving = Starving(os.getpid(), but=threading.get_native_id())
        while True:
            self._busy_since_s += starving.since()
            if time.monotonic() - self._busy_since_s < _LONGEST_STEP_S:
                self._send(wire.Waiting(0))
            await asyncio.sleep(_BEAT_S)

    def _send(self, message: wire.Message) -> None:
        if self._writer.transport.get_write_buffer_size() > wire.MAX_MESSAGE_BYTES:
            raise WireError("the host has stopped reading; start afresh")
        self._writer.write(wire.encode(message))


async def _serve(fd: int) -> int:
    reader, writer = await open_stream(fd, most=wire.MAX_MESSAGE_BYTES)
    return await Session(reader, writer).run()


def main() -> NoReturn:
    """Run the estimator process."""
    arguments = child_parser("Stationmaster estimator process").parse_args()
    attend(arguments.parent)
    set_up_logging(arguments.log_level)
    with contextlib.suppress(OSError):
        os.nice(_NICE)
    try:
        status = asyncio.run(_serve(arguments.fd))
    except WireError:
        log.exception("event=gave_up")
        status = 1
    leave(status)


if __name__ == "__main__":
    main()
