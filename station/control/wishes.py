"""What people, plans and the dispatch centre ask for, and the moment at which it counts."""

from dataclasses import dataclass, field

from station.dispatch.schedule import ScheduleBook
from station.dispatch.sources import AgcInputs, ManualSetpoint


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


@dataclass
class Wishes:
    """Who asks for what.

    Attributes:
        schedules: in force.
        manual: a person's set-point.
        agc: what the dispatch centre's port says, None without such a port.
        agc_kvar: reactive power that the centre asks for, None when it leaves it alone.
    """

    schedules: ScheduleBook = field(default_factory=ScheduleBook)
    manual: ManualSetpoint | None = None
    agc: AgcInputs | None = None
    agc_kvar: float | None = None
