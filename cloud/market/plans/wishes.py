"""What should hold besides the battery's own limits: each wish has a name and may be broken.

A wish that cannot be met costs so much in the programme that it is broken only where nothing
else helps, and then by as little as possible.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EndSoc:
    """At the end the SOC is at least so much (0..1)."""

    soc: float
    name: str = "SOC at the end of the day"


@dataclass(frozen=True, slots=True)
class SocBetween:
    """At the end of an interval the SOC lies between two values (0..1)."""

    index: int
    least: float
    most: float
    name: str = "SOC held for another purpose"


@dataclass(frozen=True, slots=True)
class CycleBudget:
    """No more full equivalent cycles than the warranty allows."""

    cycles: float
    name: str = "cycles of the warranty"


@dataclass(frozen=True, slots=True)
class Run:
    """An interval runs at a power that is promised already, MW, discharge positive."""

    index: int
    power_mw: float
    name: str = "power promised already"


@dataclass(frozen=True, slots=True)
class Hold:
    """The battery stands still from one interval to before another, as for a service visit."""

    begin: int
    end: int
    name: str = "standing still"


@dataclass(frozen=True, slots=True)
class OfferAtLeast:
    """A capacity product is offered with at least so many MW in an interval."""

    product: str
    index: int
    power_mw: float
    name: str = "capacity promised already"


Wish = EndSoc | SocBetween | CycleBudget | Run | Hold | OfferAtLeast
