"""One IED over time: connected, subscribed, watched, and resumed after every break.

Reports drive everything; a watchdog reads the data set when they stay away, and at intervals
anyway, so that a lost report is noticed. What becomes of each report is `report_intake`'s.
"""

import asyncio
import contextlib
import logging
import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from station.processes import end
from station.protocols.driver import DeviceSpec, Publish
from station.protocols.errors import BadReply, DeviceUnreachable, ProtocolError
from station.protocols.health import Health
from station.protocols.iec61850.bindings import Bindings, Candidate
from station.protocols.iec61850.calls import Calls
from station.protocols.iec61850.commands import Commands
from station.protocols.iec61850.connection import Association
from station.protocols.iec61850.control import CommandRefused
from station.protocols.iec61850.mapping import Binding
from station.protocols.iec61850.report_blocks import Source
from station.protocols.iec61850.report_copy import Report
from station.protocols.iec61850.report_intake import ReportIntake
from station.protocols.iec61850.reports import ReadingMaker
from station.protocols.iec61850.services import ServiceFailed

log = logging.getLogger(__name__)

_PAUSES_S = (0.2, 5.0)
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
        self._intake = ReportIntake(spec.device, self.health, resume)
        self._newest_ms = self._intake.newest_ms
        self._maker: ReadingMaker | None = None
        self._calls = Calls(spec.device)
        self._commands: Commands | None = None
        self._closed = asyncio.Event()
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
            heard_s = self._intake.heard_s
            if heard_s and time.monotonic() - heard_s < _PAUSES_S[1]:
                pause_s = _PAUSES_S[0]
            await asyncio.sleep(self._jitter.uniform(pause_s / 2, pause_s))
            pause_s = min(pause_s * 2, _PAUSES_S[1])

    async def _serve(self, publish: Publish) -> None:
        """Hold one association as long as it brings reports."""
        loop = asyncio.get_running_loop()
        self._closed = closed = asyncio.Event()
        self._intake.begin(closed.set)

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
            self._intake.bind(binding, maker, publish)
            await self._subscribe(association, maker, candidates)
            preparing = asyncio.create_task(commands.prepare())
            await self._watch(association, maker, publish)
        finally:
            self._commands = None
            if commands is not None:
                commands.abandon()
            if preparing is not None:
                await end([preparing])
            await asyncio.shield(self._calls.run(partial(_hang_up, association, commands)))
            self._intake.flush()

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
            self._intake.forget_entries()
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
    ) -> None:
        """Read the states of the moment, then enable the reports, states first."""
        loop, intake = asyncio.get_running_loop(), self._intake

        def arrived(report: Report) -> None:
            loop.call_soon_threadsafe(intake.take, report)

        # Should a device have forgotten the entry, it sends all that it kept, known ticks too.
        maker.floor_ms = maker.newest_ms
        for data_set in candidates:
            members = await self._calls.ask(
                association, partial(association.read_data_set, data_set)
            )
            intake.check_size(data_set, members.count)
            maker.read(data_set, members)
            intake.tell_states(data_set)
        intake.forget_sources()
        for data_set, blocks in candidates.items():
            if await self._enable(association, data_set, blocks, arrived):
                maker.resumed(data_set)
        intake.heard_s = time.monotonic()

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
            entry = self._intake.entry_of(rcb)
            self._intake.listen(rcb, Source(data_set, block.buffered, block.state.conf_rev))
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
                log.warning("%s event=cannot_resume entry=%s", where, entry.hex())
            return resumed
        raise problem

    async def _watch(self, association: Association, maker: ReadingMaker, publish: Publish) -> None:
        """Return never; raise when the association is gone or reports are lost."""
        intake = self._intake
        began_s = checked_s = time.monotonic()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_WATCH_S):
                    await self._closed.wait()
            if self._closed.is_set():
                raise intake.fault or DeviceUnreachable("the device closed the association")
            now_s = time.monotonic()
            if now_s - began_s > _REPLAY_S:
                maker.settled()
                began_s = math.inf
            silent = now_s - max(intake.heard_s, checked_s) > self._mapping.silence_s
            if silent or intake.check_now or now_s - checked_s > self._mapping.integrity_s:
                intake.check_now = False
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
        data_set, intake = maker.measurements, self._intake
        members = await self._calls.ask(association, partial(association.read_data_set, data_set))
        intake.check_size(data_set, members.count)
        found_ms = maker.time_of(members)
        if maker.newest_ms and found_ms > maker.newest_ms + _LOST_AFTER_MS:
            raise BadReply(
                f"reports stay away: the device is at {found_ms}, the last report at "
                f"{maker.newest_ms}; subscribing afresh"
            )
        reading = maker.checked(data_set, members)
        if reading is not None:
            intake.hand_over(reading)
        elif time.monotonic() - intake.heard_s > self._mapping.silence_s:
            intake.standstill += 1
            if intake.standstill >= _STANDSTILL_CHECKS:
                self.health.failed("the device's clock stands still", publish, at_once=True)
        for states in intake.data_sets - {data_set}:
            members = await self._calls.ask(association, partial(association.read_data_set, states))
            intake.check_size(states, members.count)
            maker.checked(states, members)
            intake.tell_states(states)

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
