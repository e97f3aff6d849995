"""The four levels of protection and what a rule may touch.

A level says how far protection goes: tell, take power back, bring power to nothing, or part
the faulty thing from the rest. The numbers are those of the signal ``protection_level``.
"""

from enum import IntEnum, StrEnum

from contract.words import Words


class Level(IntEnum):
    """How far protection goes."""

    NORMAL = 0
    WARN = 1
    DERATE = 2
    STOP = 3
    TRIP = 4

    @property
    def words(self) -> Words:
        """The level in words for people."""
        return _LEVEL_WORDS[self]


_LEVEL_WORDS = {
    Level.NORMAL: Words("normal", "正常"),
    Level.WARN: Words("warning", "预警"),
    Level.DERATE: Words("derated", "降额"),
    Level.STOP: Words("stopped", "停机"),
    Level.TRIP: Words("tripped", "跳闸"),
}


class Direction(StrEnum):
    """Which power a finding restricts."""

    CHARGE = "charge"
    DISCHARGE = "discharge"
    BOTH = "both"


class Scope(StrEnum):
    """How far an effect reaches from its cause."""

    RACK = "rack"
    CONTAINER = "container"
    STATION = "station"


class ResetRule(StrEnum):
    """Who ends a finding whose cause is gone.

    AUTO: it ends by itself. OPERATOR: it stays until somebody resets it. NAMED: likewise, and
    only a reset that names the device counts, because the device needs a look first.
    """

    AUTO = "auto"
    OPERATOR = "operator"
    NAMED = "named"
