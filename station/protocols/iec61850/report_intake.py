"""What becomes of one device's reports: readings, states told at once, and how far it was read.

Measurements wait a moment for the states of their tick. A report of another configuration, or one
that cannot be read, ends its association; one after which the device dropped others lets the data
sets be read again. The entry of each buffered report leaves with the reading that it made, so
that the next association, or the next process, continues after it.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping

from station.protocols.driver import Publish, Reading, ResumePoint
from station.protocols.errors import BadReply
from station.protocols.health import Health
from station.protocols.iec61850.ber import Decoded
from station.protocols.iec61850.mapping import Binding
from station.protocols.iec61850.report_blocks import Source
from station.protocols.iec61850.report_copy import Report
from station.protocols.iec61850.reports import ReadingMaker

log = logging.getLogger(__name__)

_SETTLE_S = 0.03
"""States of a tick may come in a report just after the measurements': wait for them."""


class ReportIntake:
    """Takes the reports of one device, one association after another; in the event loop.

    Attributes:
        fault: why the association of the moment cannot be trusted any more.
        heard_s: steady time of its newest measurements; 0 before the first.
        check_now: the device dropped reports, so its data sets must be read.
        standstill: looks at the data sets since the last reading that found nothing new.
    """

    def __init__(self, device: str, health: Health, resume: Mapping[str, str]) -> None:
        """Start without an association.

        Args:
            device: its tag.
            health: told when the device brings a reading.
            resume: tokens of all devices by key; this one takes its own.
        """
        self.fault: BadReply | None = None
        self.heard_s = 0.0
        self.check_now = False
        self.standstill = 0
        self._device = device
        self._health = health
        prefix = f"{device}/"
        own = {k.removeprefix(prefix): v for k, v in resume.items() if k.startswith(prefix)}
        self._tokens = {rcb: _entry_of(token) for rcb, token in own.items()}
        self._sources: dict[str, Source] = {}
        self._pending: deque[tuple[Report, Decoded]] = deque()
        self._overflowing: set[str] = set()
        self._clock_off = False
        self._sizes: dict[str, int] = {}
        self._maker: ReadingMaker
        self._publish: Publish
        self._on_fault: Callable[[], None]

    @property
    def newest_ms(self) -> int:
        """The newest tick that the entries cover; 0 without any."""
        return max((time_ms for _, time_ms in self._tokens.values()), default=0)

    @property
    def data_sets(self) -> set[str]:
        """The data sets that the association of the moment reports."""
        return {source.data_set for source in self._sources.values()}

    def begin(self, on_fault: Callable[[], None]) -> None:
        """An association begins: nothing has been heard on it; `on_fault` ends it."""
        self.fault = None
        self.heard_s = 0.0
        self._on_fault = on_fault

    def bind(self, binding: Binding, maker: ReadingMaker, publish: Publish) -> None:
        """Read what comes by this binding; `publish` takes what the maker makes of it."""
        self._sizes = {name: len(found.members) for name, found in binding.data_sets.items()}
        self._maker, self._publish = maker, publish

    def forget_entries(self) -> None:
        """The device is configured otherwise: its entries mean nothing any more."""
        self._tokens.clear()

    def entry_of(self, rcb: str) -> bytes:
        """Return the last entry taken from a report block, empty without one."""
        return self._tokens.get(rcb, (b"", 0))[0]

    def forget_sources(self) -> None:
        """No report block is listened to yet."""
        self._sources.clear()

    def listen(self, rcb: str, source: Source) -> None:
        """Take the reports of a block."""
        self._sources[rcb] = source

    def check_size(self, data_set: str, found: int) -> None:
        """Compare a data set's number of members with the binding's.

        Raises:
            BadReply: it is another.
        """
        expected = self._sizes[data_set]
        if found != expected:
            raise BadReply(
                f"{data_set} has {found} members, the SCL file says {expected}: "
                "use the SCL file of this device's configuration"
            )

    def take(self, report: Report) -> None:
        """Take a report; measurements wait a moment for their states."""
        maker, source = self._maker, self._sources[report.rcb]
        if self.fault is not None:
            return
        try:
            source.check(report)
            self.check_size(source.data_set, report.members.count)
            self._note_overflow(report, source)
            decoded = maker.decode(source.data_set, report.members)
        except BadReply as error:
            self.fault = error
            self._on_fault()
            return
        if source.data_set == maker.measurements:
            self.heard_s = time.monotonic()
            self._pending.append((report, decoded))
            if maker.complete(decoded):
                self.flush()
            else:
                asyncio.get_running_loop().call_later(_SETTLE_S, self.flush)
            return
        maker.take(source.data_set, decoded)
        self.tell_states(source.data_set)
        self._advance(report)

    def flush(self) -> None:
        """Make readings of the reports that have waited."""
        while self._pending:
            report, decoded = self._pending.popleft()
            data_set = self._sources[report.rcb].data_set
            reading = self._maker.take(data_set, decoded, report.time_ms)
            self._tell_clock()
            if reading is not None:
                self.hand_over(reading)
            self._advance(report)

    def hand_over(self, reading: Reading) -> None:
        """Publish a reading; a device that brings one answers."""
        self.standstill = 0
        self._publish(reading)
        self._health.answered(self._publish)

    def tell_states(self, data_set: str) -> None:
        """Tell a change of states at once, without waiting for the next measurements."""
        fast = self._maker.states(data_set)
        if fast is not None:
            self._publish(fast)

    def _note_overflow(self, report: Report, source: Source) -> None:
        """Doubt what may have changed in reports that the device dropped; read it again."""
        # A device that sends its buffer from the oldest entry on says "overflow", too.
        if not report.overflow or report.rcb not in self._tokens:
            self._overflowing.discard(report.rcb)
            return
        if report.rcb not in self._overflowing:
            self._overflowing.add(report.rcb)
            log.warning("device=%s rcb=%s event=buffer_overflow", self._device, report.rcb)
        self._maker.overflowed(source.data_set)
        self.check_now = True

    def _tell_clock(self) -> None:
        """Log once that the device's clock is wrong, and once that it is right again."""
        by_s, by_its_word = self._maker.clock_error_s, self._maker.clock_failed
        if (bool(by_s) or by_its_word) == self._clock_off:
            return
        self._clock_off = not self._clock_off
        if self._clock_off:
            where = f"device={self._device} event=clock_wrong"
            log.warning("%s by_s=%.1f by_its_word=%s", where, by_s, by_its_word)
        else:
            log.info("device=%s event=clock_right", self._device)

    def _advance(self, report: Report) -> None:
        """Publish how far a buffered source has been read; after the reading itself."""
        if self._sources[report.rcb].buffered and report.entry_id:
            newest_ms = self._maker.newest_ms
            self._tokens[report.rcb] = (report.entry_id, newest_ms)
            token = f"{report.entry_id.hex()}@{newest_ms}"
            self._publish(ResumePoint(f"{self._device}/{report.rcb}", token))


def _entry_of(token: str) -> tuple[bytes, int]:
    """Return entry id and newest tick of a resume token; a foreign token counts as none."""
    entry, _, time_ms = token.partition("@")
    try:
        return bytes.fromhex(entry), int(time_ms or 0)
    except ValueError:
        return b"", 0
