"""Who is in charge of the station, in one word."""

from enum import IntEnum

from station.dispatch.proposal import Source
from station.dispatch.sources.safe_state import SafeStage


class ControlMode(IntEnum):
    """The values of the signal ``control_mode``."""

    IDLE = 0
    SCHEDULE = 1
    MANUAL = 2
    SAFE_STATE = 3
    AGC = 4
    SELF_TEST = 5
    LOCAL = 6
    EMERGENCY_STOP = 7


_OF_SOURCE = {
    Source.SCHEDULE: ControlMode.SCHEDULE,
    Source.MANUAL: ControlMode.MANUAL,
    Source.AGC: ControlMode.AGC,
    Source.SELF_TEST: ControlMode.SELF_TEST,
}


def control_mode(
    deciding: Source, stage: SafeStage, before: ControlMode = ControlMode.IDLE
) -> ControlMode:
    """Return the mode that follows from who decides.

    Args:
        deciding: source of the base power.
        stage: of the safe state.
        before: mode of the last step. While the last wish is held, its mode stays: a new schedule
            is on its way. The dispatch centre's does not: it has given control back or lost it.
    """
    if stage is SafeStage.HOLDING:
        return ControlMode.IDLE if before is ControlMode.AGC else before
    if stage is SafeStage.FALLING:
        return ControlMode.SAFE_STATE
    return _OF_SOURCE.get(deciding, before if stage is SafeStage.LED else ControlMode.IDLE)
