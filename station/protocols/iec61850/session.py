"""One IED over time: connected, subscribed, watched, and resumed after every break.

Reports drive everything; a watchdog reads the data set when they stay away, and at intervals
anyway, so that a lost report is noticed. Buffered reports continue after the entry last
received; the token for that leaves this process with the readings.
"""

import asyncio
import contextlib
import logging
import math
import random
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from station.processes import end
from station.protocols.driver import DeviceSpec, Publish, Reading, ResumePoint
from station.protocols.errors import BadReply, DeviceUnreachable, ProtocolError
from station.protocols.health import Health
from station.protocols.iec61850.ber import Decoded
from station.protocols.iec61850.bindings import Bindings, Candidate
from station.protocols.iec61850.calls import Calls
from station.protocols.iec61850.commands import Commands
from station.protocols.iec61850.connection import Association
from station.protocols.iec61850.control import CommandRefused
from station.protocols.iec61850.mapping import Binding
from station.protocols.iec61850.report_blocks import Source
from station.protocols.iec61850.report_copy import Report
from station.protocols.iec61850.reports import ReadingMaker
from station.protocols.iec61850.services import ServiceFailed

log = logging.getLogger(__name__)

_PAUSES_S = (0.2, 5.0)
_SETTLE_S = 0.03
"""States of a tick may come in a report just after the measurements': wait for them."""
_WATCH_S = 0.5
_LOST_AFTER_MS = 2500
"""A data set read that is so much newer than the last report means that reports are lost."""
_STANDSTILL_CHECKS = 3
_BROWSE_S = 120.0
"""A device that is bound on line answers a few hundred questions first."""
_REPLAY_S = 30.0
"""The longest time a device needs to send what it kept while nobody listened."""


class Session:
    """One device's association, for as long as the driver runs."""

    def __init__(self, spec: DeviceSpec, bindings: Bindings, resume: Mapping[str, str]) -> None:
        """Prepare.

        Args:
            spec: the device.
            bindings: how its signals and commands are found.
            resume: tokens of all devices by key; this session takes its own.

        Raises:
            ProfileError: its SCL file is missing or wrong.
        """
        self.spec = spec
        self.health = Health(spec.device)
        self.points = sorted(bindings.mapping.commands)
        self._bindings = bindings
        self._mapping = bindings.mapping
        self._binding = bindings.by_file()
        self._vouched = True
        self._told_change = ""
        prefix = f"{spec.device}/"
        own = {k.removeprefix(prefix): v for k, v in resume.items() if k.startswith(prefix)}
        self._tokens = {rcb: _entry_of(token) for rcb, token in own.items()}
        self._newest_ms = max((time_ms for _, time_ms in self._tokens.values()), default=0)
        self._maker: ReadingMaker | None = None
        self._calls = Calls(spec.device)
        self._commands: Commands | None = None
        self._pending: deque[tuple[Report, Decoded]] = deque()
        self._sources: dict[str, Source] = {}
        self._overflowing: set[str] = set()
        self._clock_off = False
        self._heard_s = 0.0
        self._check_now = False
        self._fault: ProtocolError | None = None
        self._closed = asyncio.Event()
        self._standstill = 0
        self._jitter = random.Random()  # noqa: S311 - spreads load, guards nothing

    def stuck(self) -> bool:
        """Whether a call into the library has not returned for longer than it may take."""
        return self._calls.stuck()

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
        self._fault = None

        def on_closed() -> None:
            loop.call_soon_threadsafe(closed.set)

        association = await self._calls.run(
            partial(Association, self.spec.host, self.spec.port, on_closed)
        )
        commands: Commands | None = None
        preparing: asyncio.Task[None] | None = None
        try:
            binding, maker, candidates = await self._bind(association)
            commands = Commands(association, binding, self._mapping.commands, self._calls)
            self._commands = commands
            await self._subscribe(association, maker, candidates, publish)
            preparing = asyncio.create_task(commands.prepare())
            await self._watch(association, maker, publish)
        finally:
            self._commands = None
            if commands is not None:
                commands.abandon()
            if preparing is not None:
                await end([preparing])
            await asyncio.shield(self._calls.run(partial(_hang_up, association, commands)))
            self._flush(publish)

    async def _bind(
        self, association: Association
    ) -> tuple[Binding, ReadingMaker, Mapping[str, tuple[Candidate, ...]]]:
        """Return a binding that fits the device as it is now, told once when it is another.

        Nothing of another configuration is kept: its entries and the places of its values mean
        nothing in this one.
        """
        bound = await self._calls.ask(
            association,
            partial(self._bindings.fit, association, self._binding, vouched=self._vouched),
            patience_s=_BROWSE_S,
        )
        if self._maker is not None:
            self._newest_ms = self._maker.newest_ms
        if bound.changed and bound.changed != self._told_change:
            self._told_change = bound.changed
            where = f"device={self.spec.device} vouched={bound.vouched}"
            level = logging.INFO if self._binding is None or bound.vouched else logging.WARNING
            log.log(level, "%s event=bound_anew reason=%r", where, bound.changed)
        if bound.changed and self._binding is not None:
            self._tokens.clear()
        if bound.changed or self._maker is None:
            self._maker = ReadingMaker(self.spec.device, bound.binding, self._newest_ms)
        self._binding, self._vouched = bound.binding, bound.vouched
        self._maker.doubted = not bound.vouched
        return bound.binding, self._maker, bound.candidates

    async def _subscribe(
        self,
        association: Association,
        maker: ReadingMaker,
        candidates: Mapping[str, tuple[Candidate, ...]],
        publish: Publish,
    ) -> None:
        """Read the states of the moment, then enable the reports, states first."""
        loop = asyncio.get_running_loop()

        def arrived(report: Report) -> None:
            loop.call_soon_threadsafe(self._on_report, report, maker, publish)

        # Should a device have forgotten the entry, it sends all that it kept, known ticks too.
        maker.floor_ms = maker.newest_ms
        for data_set in candidates:
            members = await self._calls.ask(
                association, partial(association.read_data_set, data_set)
            )
            self._check_size(data_set, members.count)
            maker.read(data_set, members)
            self._tell_states(maker, data_set, publish)
        self._sources.clear()
        for data_set, blocks in candidates.items():
            if await self._enable(association, data_set, blocks, arrived):
                maker.resumed(data_set)
        self._heard_s = time.monotonic()

    async def _enable(
        self,
        association: Association,
        data_set: str,
        blocks: Sequence[Candidate],
        arrived: Callable[[Report], None],
    ) -> bool:
        """Enable the best report block that the device lets us have; whether it resumes."""
        problem: ProtocolError = BadReply(f"nothing reports {data_set}")
        for block in blocks:
            rcb = block.state.rcb
            entry, _ = self._tokens.get(rcb, (b"", 0))
            self._sources[rcb] = Source(data_set, block.buffered, block.state.conf_rev)
            work = partial(
                association.report_blocks.subscribe,
                block.state,
                arrived,
                buffered=block.buffered,
                entry_id=entry,
            )
            try:
                resumed = await self._calls.ask(association, work)
            except ServiceFailed as error:
                problem = error
                continue
            where = f"device={self.spec.device} rcb={rcb}"
            log.info("%s event=enabled resumed=%s", where, resumed)
            if entry and not resumed:
                log.warning("%s event=cannot_resume: entry %s is gone", where, entry.hex())
            return resumed
        raise problem

    def _check_size(self, data_set: str, found: int) -> None:
        binding = self._binding
        expected = 0 if binding is None else len(binding.data_sets[data_set].members)
        if found != expected:
            raise BadReply(
                f"{data_set} has {found} members, the SCL file says {expected}: "
                "use the SCL file of this device's configuration"
            )

    def _on_report(self, report: Report, maker: ReadingMaker, publish: Publish) -> None:
        """Take a report in the event loop; measurements wait a moment for their states."""
        source = self._sources[report.rcb]
        if self._fault is not None:
            return
        try:
            source.check(report)
            self._check_size(source.data_set, report.members.count)
            self._note_overflow(report, source, maker)
            decoded = maker.decode(source.data_set, report.members)
        except BadReply as error:
            self._give_up(error)
            return
        if source.data_set == maker.measurements:
            self._heard_s = time.monotonic()
            self._pending.append((report, decoded))
            if maker.complete(decoded):
                self._flush(publish)
            else:
                asyncio.get_running_loop().call_later(_SETTLE_S, self._flush, publish)
            return
        maker.take(source.data_set, decoded)
        self._tell_states(maker, source.data_set, publish)
        self._advance(report, maker, publish)

    def _give_up(self, error: ProtocolError) -> None:
        """End this association: what comes on it cannot be trusted any more."""
        self._fault = error
        self._closed.set()

    def _note_overflow(self, report: Report, source: Source, maker: ReadingMaker) -> None:
        """Doubt what may have changed in reports that the device dropped; read it again."""
        # A device that sends its buffer from the oldest entry on says "overflow", too.
        if not report.overflow or report.rcb not in self._tokens:
            self._overflowing.discard(report.rcb)
            return
        if report.rcb not in self._overflowing:
            self._overflowing.add(report.rcb)
            log.warning("rcb=%s event=buffer_overflow: the device dropped reports", report.rcb)
        maker.overflowed(source.data_set)
        self._check_now = True

    def _tell_states(self, maker: ReadingMaker, data_set: str, publish: Publish) -> None:
        """Tell a change of states at once, without waiting for the next measurements."""
        fast = maker.states(data_set)
        if fast is not None:
            publish(fast)

    def _flush(self, publish: Publish) -> None:
        """Make readings of the reports that have waited."""
        maker = self._maker
        while self._pending and maker is not None:
            report, decoded = self._pending.popleft()
            data_set = self._sources[report.rcb].data_set
            reading = maker.take(data_set, decoded, report.time_ms)
            self._tell_clock(maker)
            if reading is not None:
                self._hand_over(reading, publish)
            self._advance(report, maker, publish)

    def _tell_clock(self, maker: ReadingMaker) -> None:
        """Log once that the device's clock is wrong, and once that it is right again."""
        if (bool(maker.clock_error_s) or maker.clock_failed) == self._clock_off:
            return
        self._clock_off = not self._clock_off
        where = f"device={self.spec.device}"
        if self._clock_off:
            told = maker.clock_error_s, maker.clock_failed
            log.warning("%s event=clock_wrong by_s=%.1f by_its_word=%s", where, *told)
        else:
            log.info("%s event=clock_right", where)

    def _hand_over(self, reading: Reading, publish: Publish) -> None:
        self._standstill = 0
        publish(reading)
        self.health.answered(publish)

    def _advance(self, report: Report, maker: ReadingMaker, publish: Publish) -> None:
        """Publish how far a buffered source has been read; after the reading itself."""
        if self._sources[report.rcb].buffered and report.entry_id:
            self._tokens[report.rcb] = (report.entry_id, maker.newest_ms)
            token = f"{report.entry_id.hex()}@{maker.newest_ms}"
            publish(ResumePoint(f"{self.spec.device}/{report.rcb}", token))

    async def _watch(self, association: Association, maker: ReadingMaker, publish: Publish) -> None:
        """Return never; raise when the association is gone or reports are lost."""
        began_s = checked_s = time.monotonic()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_WATCH_S):
                    await self._closed.wait()
            if self._closed.is_set():
                raise self._fault or DeviceUnreachable("the device closed the association")
            now_s = time.monotonic()
            if now_s - began_s > _REPLAY_S:
                maker.settled()
                began_s = math.inf
            silent = now_s - max(self._heard_s, checked_s) > self._mapping.silence_s
            if silent or self._check_now or now_s - checked_s > self._mapping.integrity_s:
                self._check_now = False
                await self._check_integrity(association, maker, publish)
                checked_s = time.monotonic()

    async def _check_integrity(
        self, association: Association, maker: ReadingMaker, publish: Publish
    ) -> None:
        """Read the data sets; what the reports should have brought tells whether they do.

        Raises:
            BadReply: reports are lost; a fresh subscription fetches them from the buffer.
            DeviceUnreachable: the device does not answer.
        """
        data_set = maker.measurements
        members = await self._calls.ask(association, partial(association.read_data_set, data_set))
        self._check_size(data_set, members.count)
        found_ms = maker.time_of(members)
        if maker.newest_ms and found_ms > maker.newest_ms + _LOST_AFTER_MS:
            raise BadReply(
                f"reports stay away: the device is at {found_ms}, the last report at "
                f"{maker.newest_ms}; subscribing afresh"
            )
        reading = maker.checked(data_set, members)
        if reading is not None:
            self._hand_over(reading, publish)
        elif time.monotonic() - self._heard_s > self._mapping.silence_s:
            self._standstill += 1
            if self._standstill >= _STANDSTILL_CHECKS:
                self.health.failed("the device's clock stands still", publish, at_once=True)
        for states in {source.data_set for source in self._sources.values()} - {data_set}:
            members = await self._calls.ask(association, partial(association.read_data_set, states))
            self._check_size(states, members.count)
            maker.checked(states, members)
            self._tell_states(maker, states, publish)

    async def operate(self, point: str, value: float, deadline_s: float) -> None:
        """Carry out one command.

        Raises:
            CommandRefused, CommandTimedOut, DeviceUnreachable: what became of it.
        """
        commands = self._commands
        if commands is None:
            raise CommandRefused("the device is not connected")
        await commands.operate(point, value, deadline_s)


def _hang_up(association: Association, commands: Commands | None) -> None:
    """Close an association when the last call has left it."""
    association.retire()
    if commands is not None:
        commands.close()
    association.close()


def _entry_of(token: str) -> tuple[bytes, int]:
    """Return entry id and newest tick of a resume token; a foreign token counts as none."""
    entry, _, time_ms = token.partition("@")
    try:
        return bytes.fromhex(entry), int(time_ms or 0)
    except ValueError:
        return b"", 0
