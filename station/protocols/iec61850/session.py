"""One IED over time: connected, subscribed, watched, and resumed after every break.

Reports drive everything; a watchdog reads the data set when they stay away, and at intervals
anyway, so that a lost report is noticed. Buffered reports continue after the entry last
received; the token for that leaves this process with the readings.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from station.processes import end
from station.protocols.driver import DeviceSpec, Publish, Reading, ResumePoint
from station.protocols.errors import BadReply, DeviceUnreachable, ProtocolError
from station.protocols.health import Health
from station.protocols.iec61850.connection import Association, Report, ServiceFailed
from station.protocols.iec61850.control import CommandRefused, Setting
from station.protocols.iec61850.controls import Controls
from station.protocols.iec61850.mapping import Binding, CommandTarget
from station.protocols.iec61850.reports import ReadingMaker

log = logging.getLogger(__name__)

T = TypeVar("T")

_PAUSES_S = (0.2, 5.0)
_SETTLE_S = 0.03
"""States of a tick may come in a report just after the measurements': wait for them."""
_WATCH_S = 0.5
_LOST_AFTER_MS = 2500
"""A data set read that is so much newer than the last report means that reports are lost."""
_STUCK_S = 20.0
"""Longer than any chain of the library's own time-outs."""
_STANDSTILL_CHECKS = 3
_COMMANDS_AT_ONCE = 8
"""Active and reactive power, start and stop, each with one that waits for its turn."""


class Session:
    """One device's association, for as long as the driver runs."""

    def __init__(self, spec: DeviceSpec, binding: Binding, resume: Mapping[str, str]) -> None:
        """Prepare.

        Args:
            spec: the device.
            binding: how its signals and commands are found.
            resume: tokens of all devices by key; this session takes its own.
        """
        self.spec = spec
        self.binding = binding
        self.health = Health(spec.device)
        prefix = f"{spec.device}/"
        own = {k.removeprefix(prefix): v for k, v in resume.items() if k.startswith(prefix)}
        self._tokens = {rcb: _entry_of(token) for rcb, token in own.items()}
        newest_ms = max((time_ms for _, time_ms in self._tokens.values()), default=0)
        self.maker = ReadingMaker(spec.device, binding, newest_ms)
        self._pool = ThreadPoolExecutor(2, thread_name_prefix=spec.device)
        # Commands have threads of their own: none waits until the data set has been read.
        self._command_pool = ThreadPoolExecutor(
            _COMMANDS_AT_ONCE, thread_name_prefix=f"{spec.device}-command"
        )
        self._calls: dict[int, float] = {}
        self._controls: Controls | None = None
        self._pending: deque[Report] = deque()
        self._data_sets: dict[str, str] = {}
        self._buffered: set[str] = set()
        self._heard_s = 0.0
        self._closed = asyncio.Event()
        self._standstill = 0
        self._jitter = random.Random()  # noqa: S311 - spreads load, guards nothing

    def stuck(self) -> bool:
        """Whether a call into the library has not returned for longer than it may take."""
        now_s = time.monotonic()
        return any(now_s - since > _STUCK_S for since in list(self._calls.values()))

    async def run(self, publish: Publish) -> None:
        """Serve until cancelled."""
        pause_s = _PAUSES_S[0]
        while True:
            try:
                await self._serve(publish)
            except ProtocolError as error:
                self.health.failed(str(error), publish, at_once=True)
            if self._heard_s and time.monotonic() - self._heard_s < _PAUSES_S[1]:
                pause_s = _PAUSES_S[0]
            await asyncio.sleep(self._jitter.uniform(pause_s / 2, pause_s))
            pause_s = min(pause_s * 2, _PAUSES_S[1])

    async def _serve(self, publish: Publish) -> None:
        """Hold one association as long as it brings reports."""
        loop = asyncio.get_running_loop()
        self._closed = closed = asyncio.Event()
        self._heard_s = 0.0

        def on_closed() -> None:
            loop.call_soon_threadsafe(closed.set)

        association = await self._call(
            partial(Association, self.spec.host, self.spec.port, on_closed)
        )
        controls = Controls(association, self.binding.controls.values())
        self._controls = controls
        preparing: asyncio.Task[None] | None = None
        try:
            await self._subscribe(association, publish)
            preparing = asyncio.create_task(self._prepare(controls))
            await self._watch(association, closed, publish)
        finally:
            self._controls = None
            controls.abandon()
            if preparing is not None:
                await end([preparing])
            await asyncio.shield(self._call(partial(_hang_up, association, controls)))
            self._flush(publish)

    async def _prepare(self, controls: Controls) -> None:
        """Learn how each object is controlled, beside the reports; a broken link ends it."""
        for reference in controls.references:
            with contextlib.suppress(ProtocolError):
                await self._call(partial(controls.prepare, reference), self._command_pool)

    async def _subscribe(self, association: Association, publish: Publish) -> None:
        """Read the states of the moment, then enable the reports, states first."""
        loop = asyncio.get_running_loop()

        def arrived(report: Report) -> None:
            loop.call_soon_threadsafe(self._on_report, report, publish)

        # Should a device have forgotten the entry, it sends all that it kept, known ticks too.
        self.maker.floor_ms = self.maker.newest_ms
        for data_set in self.binding.reports:
            values = await self._ask(association, partial(association.read_data_set, data_set))
            self._check_size(data_set, len(values))
            self.maker.seed(data_set, values)
            self._tell_states(data_set, publish)
        for data_set in self.binding.reports:
            await self._enable(association, data_set, arrived)
        self._heard_s = time.monotonic()

    async def _enable(
        self, association: Association, data_set: str, arrived: Callable[[Report], None]
    ) -> None:
        """Enable the best report block that the device lets us have."""
        problem: ProtocolError = BadReply(f"nothing reports {data_set}")
        for block in self.binding.reports[data_set]:
            for rcb in block.references:
                entry, _ = self._tokens.get(rcb, (b"", 0))
                self._data_sets[rcb] = data_set
                if block.buffered:
                    self._buffered.add(rcb)
                try:
                    resumed = await self._ask(
                        association,
                        partial(
                            association.subscribe,
                            rcb,
                            block.conf_rev,
                            arrived,
                            buffered=block.buffered,
                            entry_id=entry,
                        ),
                    )
                except ServiceFailed as error:
                    problem = error
                    continue
                where = f"device={self.spec.device} rcb={rcb}"
                log.info("%s event=enabled resumed=%s", where, resumed)
                if resumed and data_set == self.binding.measurements:
                    self.maker.floor_ms = 0
                if entry and not resumed:
                    log.warning("%s event=cannot_resume: entry %s is gone", where, entry.hex())
                return
        raise problem

    def _check_size(self, data_set: str, found: int) -> None:
        expected = len(self.binding.data_sets[data_set].members)
        if found != expected:
            raise BadReply(
                f"{data_set} has {found} members, the SCL file says {expected}: "
                "use the SCL file of this device's configuration"
            )

    def _on_report(self, report: Report, publish: Publish) -> None:
        """Take a report in the event loop; measurements wait a moment for their states."""
        data_set = self._data_sets[report.rcb]
        expected = len(self.binding.data_sets[data_set].members)
        if len(report.values) != expected:
            log.error("rcb=%s event=wrong_size members=%d", report.rcb, len(report.values))
            return
        # A device that sends its buffer from the oldest entry on says "overflow", too.
        if report.overflow and report.rcb in self._tokens:
            log.warning("rcb=%s event=buffer_overflow: the device dropped reports", report.rcb)
        if data_set == self.binding.measurements:
            self._heard_s = time.monotonic()
            self._pending.append(report)
            asyncio.get_running_loop().call_later(_SETTLE_S, self._flush, publish)
        else:
            self.maker.take(data_set, report.values)
            self._tell_states(data_set, publish)
            self._advance(report, publish)

    def _tell_states(self, data_set: str, publish: Publish) -> None:
        """Tell a change of states at once, without waiting for the next measurements."""
        fast = self.maker.states(data_set)
        if fast is not None:
            publish(fast)

    def _flush(self, publish: Publish) -> None:
        """Make readings of the reports that have waited."""
        while self._pending:
            report = self._pending.popleft()
            reading = self.maker.take(self._data_sets[report.rcb], report.values, report.time_ms)
            if reading is not None:
                self._hand_over(reading, publish)
            self._advance(report, publish)

    def _hand_over(self, reading: Reading, publish: Publish) -> None:
        self._standstill = 0
        publish(reading)
        self.health.answered(publish)

    def _advance(self, report: Report, publish: Publish) -> None:
        """Publish how far a buffered source has been read; after the reading itself."""
        if report.rcb in self._buffered and report.entry_id:
            self._tokens[report.rcb] = (report.entry_id, self.maker.newest_ms)
            token = f"{report.entry_id.hex()}@{self.maker.newest_ms}"
            publish(ResumePoint(f"{self.spec.device}/{report.rcb}", token))

    async def _watch(
        self, association: Association, closed: asyncio.Event, publish: Publish
    ) -> None:
        """Return never; raise when the association is gone or reports are lost."""
        checked_s = time.monotonic()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_WATCH_S):
                    await closed.wait()
            if closed.is_set():
                raise DeviceUnreachable("the device closed the association")
            now_s = time.monotonic()
            silent = now_s - max(self._heard_s, checked_s) > self.binding.mapping.silence_s
            if silent or now_s - checked_s > self.binding.mapping.integrity_s:
                await self._check_integrity(association, publish)
                checked_s = time.monotonic()

    async def _check_integrity(self, association: Association, publish: Publish) -> None:
        """Read the measurements; what the reports should have brought tells whether they do.

        Raises:
            BadReply: reports are lost; a fresh subscription fetches them from the buffer.
            DeviceUnreachable: the device does not answer.
        """
        data_set = self.binding.measurements
        values = await self._ask(association, partial(association.read_data_set, data_set))
        found_ms = self.maker.time_of(values)
        if self.maker.newest_ms and found_ms > self.maker.newest_ms + _LOST_AFTER_MS:
            raise BadReply(
                f"reports stay away: the device is at {found_ms}, the last report at "
                f"{self.maker.newest_ms}; subscribing afresh"
            )
        reading = self.maker.take(data_set, values)
        if reading is not None:
            self._hand_over(reading, publish)
        elif time.monotonic() - self._heard_s > self.binding.mapping.silence_s:
            self._standstill += 1
            if self._standstill >= _STANDSTILL_CHECKS:
                self.health.failed("the device's clock stands still", publish, at_once=True)

    async def operate(self, point: str, value: float, deadline_s: float) -> None:
        """Carry out one command.

        Raises:
            CommandRefused, CommandTimedOut, DeviceUnreachable: what became of it.
        """
        controls = self._controls
        if controls is None:
            raise CommandRefused("the device is not connected")
        target = self.binding.mapping.commands[point]
        reference = self.binding.controls[point]
        written = _checked(target, value)
        work = partial(controls.operate, reference, written, deadline_s)
        await self._call(work, self._command_pool)

    async def _ask(self, association: Association, work: Callable[[], T]) -> T:
        """Run a call into an association, which is not freed meanwhile."""

        def used() -> T:
            with association.in_use():
                return work()

        return await self._call(used)

    async def _call(self, work: Callable[[], T], pool: ThreadPoolExecutor | None = None) -> T:
        """Run a blocking library call on a worker thread, watched for getting stuck."""
        key = id(work)

        def watched() -> T:
            self._calls[key] = time.monotonic()
            try:
                return work()
            finally:
                self._calls.pop(key, None)

        return await asyncio.get_running_loop().run_in_executor(pool or self._pool, watched)


def _hang_up(association: Association, controls: Controls) -> None:
    """Close an association when the last call has left it."""
    association.retire()
    controls.close()
    association.close()


def _checked(target: CommandTarget, value: float) -> Setting:
    """Return the value in the device's unit.

    Raises:
        CommandRefused: it is outside the allowed range.
    """
    if target.value is not None:
        return target.value
    low = float("-inf") if target.low is None else target.low
    high = float("inf") if target.high is None else target.high
    if not low <= value <= high:  # false for not-a-number, too
        raise CommandRefused(f"{value:g} is outside the allowed range {low:g}..{high:g}")
    return float(value) * target.scale


def _entry_of(token: str) -> tuple[bytes, int]:
    """Return entry id and newest tick of a resume token; a foreign token counts as none."""
    entry, _, time_ms = token.partition("@")
    try:
        return bytes.fromhex(entry), int(time_ms or 0)
    except ValueError:
        return b"", 0
