"""The schedule of the moment, with the regulation signal on top."""

from station.dispatch.proposal import Proposal, Source
from station.dispatch.regulation import RegulationSignal
from station.dispatch.schedule import ScheduleBook


def propose_schedule(
    book: ScheduleBook, regulation: RegulationSignal | None, effect_ms: int
) -> Proposal | None:
    """Return what the schedule asks for, None when no day covers the moment.

    Args:
        book: the schedules in force.
        regulation: a market's signal that rides on the schedule.
        effect_ms: wall-clock time at which set-points of now will be seen at the meter.
    """
    scheduled = book.power_at(effect_ms)
    if scheduled is None:
        return None
    extra_kw = 0.0 if regulation is None else regulation.power_at(effect_ms)
    return Proposal.definite(Source.SCHEDULE, scheduled.order_id, scheduled.kw + extra_kw)
