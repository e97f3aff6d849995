"""The sources of power of this station, as configured, with what each remembers.

*Slow* ones are asked once a second: schedule, person, dispatch centre, self-test, and what to do
when nobody decides. *Fast* ones answer the meter up to twenty times a second: limits of the
connection and frequency response.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from station.config import StationConfig
from station.dispatch.decision import Decision
from station.dispatch.proposal import Proposal, Source
from station.dispatch.regulation import RegulationSignal
from station.dispatch.schedule import ScheduleBook
from station.dispatch.sources import (
    AgcInputs,
    AgcMemory,
    AgcSettings,
    ConnectionInputs,
    ConnectionMemory,
    ConnectionSettings,
    FastMemory,
    FastSettings,
    ManualSetpoint,
    PrimaryInputs,
    PrimaryMemory,
    PrimarySettings,
    SafeInputs,
    SafeMemory,
    SafeSettings,
    SafeStage,
    SelfTestInputs,
    SelfTestMemory,
    SelfTestSettings,
    propose_agc,
    propose_connection,
    propose_fast,
    propose_manual,
    propose_primary,
    propose_safe_state,
    propose_schedule,
    propose_self_test,
)


@dataclass(frozen=True)
class Instant:
    """A moment in the clocks that matter, ms.

    Attributes:
        wall_ms: epoch time that dispatch follows; a step of the wall clock does not move it.
        steady_ms: monotonic time, for everything that is a duration.
        effect_ms: epoch time at which a set-point of now is seen at the meter.
    """

    wall_ms: int
    steady_ms: int
    effect_ms: int


NO_REQUEST = AgcInputs(in_control=False, alive=True, power_kw=None)
"""What a station without a dispatch centre hears from it."""


@dataclass
class Wishes:
    """What people, plans and the dispatch centre ask for.

    Attributes:
        schedules: in force.
        manual: a person's set-point.
        agc: what the dispatch centre's port says.
        self_test: the test that was ordered, or the last one's result.
    """

    schedules: ScheduleBook = field(default_factory=ScheduleBook)
    manual: ManualSetpoint | None = None
    agc: AgcInputs = field(default_factory=lambda: NO_REQUEST)
    self_test: SelfTestMemory | None = None


@dataclass(frozen=True)
class Measured:
    """What the meter shows at this moment; NaN where not known.

    Attributes:
        device: tag of the meter.
        frequency_hz: of the grid.
        power_kw: at the meter, discharge positive. own_kw: the converters' part of it.
        soc: mean state of charge, 0..1.
    """

    device: str
    frequency_hz: float
    power_kw: float
    own_kw: float
    soc: float


class Sources:
    """Asks every source and keeps what it remembers.

    Attributes:
        safe: how far the station is on the way to its safe power.
        scheduled_kw: what the schedule asks for now, None without one.
    """

    def __init__(self, config: StationConfig, regulation: RegulationSignal | None) -> None:
        """Derive every source's settings from the configuration."""
        rated_kw = config.station.rated_power_kw
        primary, fast = config.primary_frequency, config.fast_frequency
        self._regulation = regulation
        self._agc = AgcSettings()
        self._safe = SafeSettings(**config.safe_state.model_dump())
        self._self_test = SelfTestSettings(rated_kw)
        self._connection = ConnectionSettings(**config.connection.model_dump())
        self._primary = None if primary is None else PrimarySettings(rated_kw, **dict(primary))
        self._fast = None if fast is None else FastSettings(rated_kw, **dict(fast))
        self.safe = SafeMemory()
        self.scheduled_kw: float | None = None
        self._agc_memory = AgcMemory()
        self._connection_memory = ConnectionMemory()
        self._primary_memory = PrimaryMemory()
        self._fast_memory = FastMemory()

    @property
    def responds(self) -> bool:
        """Whether converters must stay running for frequency response."""
        return self._primary is not None or self._fast is not None

    def slow(
        self, wishes: Wishes, last: Decision | None, measured_kw: float, now: Instant
    ) -> tuple[Proposal, ...]:
        """Return what the slow sources propose in this second.

        Args:
            wishes: of people, plans and the dispatch centre.
            last: decision of the last step.
            measured_kw: power at the meter, NaN when not known.
            now: the moment.
        """
        schedule = propose_schedule(wishes.schedules, self._regulation, now.effect_ms)
        scheduled = wishes.schedules.power_at(now.effect_ms)
        self.scheduled_kw = None if scheduled is None else scheduled.kw
        agc, self._agc_memory = propose_agc(self._agc, self._agc_memory, wishes.agc, now.steady_ms)
        test, wishes.self_test = propose_self_test(
            self._self_test, wishes.self_test, _test_inputs(last, measured_kw), now.steady_ms
        )
        deciding = _present((propose_manual(wishes.manual, now.wall_ms), agc, test, schedule))
        wish_kw = deciding[0].preferred_kw if deciding else None
        inputs = SafeInputs(wish_kw, 0.0 if last is None else last.base_kw)
        safe, self.safe = propose_safe_state(self._safe, self.safe, inputs, now.steady_ms)
        return (*deciding, *_present((safe,)))

    def fast(self, measured: Measured, now: Instant) -> tuple[Proposal, ...]:
        """Return what the sources propose that answer the meter at once."""
        found: list[Proposal | None] = []
        if self._connection.peak_kw is not None or self._connection.feed_in_kw is not None:
            inputs = ConnectionInputs(measured.power_kw, measured.own_kw, measured.device)
            bounds, self._connection_memory = propose_connection(
                self._connection, self._connection_memory, inputs, now.steady_ms
            )
            found += bounds
        if self._primary is not None:
            seen = PrimaryInputs(measured.frequency_hz, measured.soc, measured.device)
            primary, self._primary_memory = propose_primary(
                self._primary, self._primary_memory, seen, now.steady_ms
            )
            found.append(primary)
        if self._fast is not None:
            fast, self._fast_memory = propose_fast(
                *(self._fast, self._fast_memory, measured.frequency_hz),
                *(now.steady_ms, measured.device),
            )
            found.append(fast)
        return _present(found)

    @property
    def holds(self) -> bool:
        """Whether the last wish is held because nobody decides any more."""
        return self.safe.stage is SafeStage.HOLDING

    @property
    def alone(self) -> bool:
        """Whether nobody decides."""
        return self.safe.stage is not SafeStage.LED


def _test_inputs(last: Decision | None, measured_kw: float) -> SelfTestInputs:
    decided_by = Source.NONE if last is None else last.source
    if last is not None and not math.isclose(last.shift_kw, 0.0):
        decided_by = Source.PRIMARY_FREQUENCY
    return SelfTestInputs(measured_kw, decided_by)


def _present(proposals: Iterable[Proposal | None]) -> tuple[Proposal, ...]:
    return tuple(proposal for proposal in proposals if proposal is not None)
