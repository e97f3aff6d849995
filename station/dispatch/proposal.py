"""What a source of power may ask of the station, and what the station may do at all.

A source (schedule, dispatch centre, frequency response, ...) never commands. It *proposes*: a
power it would like (*preferred*), bounds it insists on (*low*, *high*), or a shift on top of
whatever the others choose. The arbiter decides.

Discharge is positive; all powers are kW at the meter.
"""

import math
from dataclasses import dataclass
from enum import IntEnum

from contract.limits import LimitReason
from contract.states import DISPATCH_SOURCE
from contract.words import Words
from station.dispatch.errors import ProposalError


class Source(IntEnum):
    """Who may ask for power: the values of the signal ``dispatch_source``."""

    NONE = 0
    SCHEDULE = 1
    MANUAL = 2
    SAFE_STATE = 3
    AGC = 4
    PRIMARY_FREQUENCY = 5
    FAST_FREQUENCY = 6
    PEAK_LIMIT = 7
    FEED_IN_LIMIT = 8
    BALANCING = 9
    SELF_TEST = 10
    PROTECTION = 11
    VOLTAGE_SUPPORT = 12

    @property
    def words(self) -> Words:
        """The source's name for people, in both languages."""
        return _SOURCE_WORDS[self]


_SOURCE_WORDS = {Source(number): Words(en, zh) for number, en, zh in DISPATCH_SOURCE}

SHIFTING = frozenset({Source.FAST_FREQUENCY, Source.PRIMARY_FREQUENCY})
"""Sources that ride on what the others choose; they propose a shift and nothing else."""


@dataclass(frozen=True)
class Proposal:
    """What one source asks for in one step.

    Attributes:
        source: who asks.
        requester: the order, file or device behind it.
        preferred_kw: the power it would like; None when it only sets bounds or shifts.
        low_kw, high_kw: bounds it insists on. A source that wants one definite power has
            ``low_kw == high_kw == preferred_kw``; see `definite`.
        shift_kw: power on top of what lower sources choose.
        reason: which limit its bounds are, for those who are cut by them.
    """

    source: Source
    requester: str
    preferred_kw: float | None = None
    low_kw: float = -math.inf
    high_kw: float = math.inf
    shift_kw: float = 0.0
    reason: LimitReason = LimitReason.NONE

    def __post_init__(self) -> None:
        """Refuse what could not be arbitrated."""
        name = self.source.words.en
        if not self.low_kw <= self.high_kw:
            problem = f"low_kw {self.low_kw} is not below high_kw {self.high_kw}"
            raise ProposalError(name, problem, "give the bounds in order and as numbers")
        if self.preferred_kw is not None:
            if not math.isfinite(self.preferred_kw):
                problem = f"preferred_kw is {self.preferred_kw}"
                raise ProposalError(name, problem, "give a finite number of kW or None")
            if not self.low_kw <= self.preferred_kw <= self.high_kw:
                problem = f"preferred_kw {self.preferred_kw} is outside its own bounds"
                raise ProposalError(name, problem, "prefer a power inside the bounds")
        if not math.isfinite(self.shift_kw):
            problem = f"shift_kw is {self.shift_kw}"
            raise ProposalError(name, problem, "give a finite number of kW")
        self._check_role(name)

    def _check_role(self, name: str) -> None:
        bounded = self.preferred_kw is not None or self.is_bounded
        if self.source in SHIFTING and bounded:
            raise ProposalError(name, "it sets power or bounds", "propose shift_kw alone")
        if self.source not in SHIFTING and self.shift_kw:
            problem = f"shift_kw is {self.shift_kw}"
            raise ProposalError(name, problem, "only frequency response shifts")

    @classmethod
    def definite(
        cls,
        source: Source,
        requester: str,
        power_kw: float,
        reason: LimitReason = LimitReason.NONE,
    ) -> "Proposal":
        """Return the proposal of a source that wants exactly one power."""
        return cls(source, requester, power_kw, power_kw, power_kw, reason=reason)

    @property
    def is_bounded(self) -> bool:
        """Whether it insists on a bound."""
        return self.low_kw > -math.inf or self.high_kw < math.inf

    @property
    def is_definite(self) -> bool:
        """Whether it wants exactly one power."""
        return self.preferred_kw is not None and self.low_kw == self.high_kw


@dataclass(frozen=True)
class Bounds:
    """What protection allows the station, kW at the meter.

    Attributes:
        low_kw: most charge (0 or negative); high_kw: most discharge.
        low_reason, high_reason: which limit each is.
        low_device, high_device: the device it comes from, empty for the whole station.
    """

    low_kw: float
    high_kw: float
    low_reason: LimitReason = LimitReason.NONE
    high_reason: LimitReason = LimitReason.NONE
    low_device: str = ""
    high_device: str = ""

    def __post_init__(self) -> None:
        """Refuse bounds that leave no power, or no number."""
        finite = math.isfinite(self.low_kw) and math.isfinite(self.high_kw)
        if not finite or self.low_kw > self.high_kw:
            problem = f"bounds {self.low_kw} .. {self.high_kw} kW hold no power"
            raise ProposalError("protection", problem, "give two finite bounds in order")
