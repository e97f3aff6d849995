"""What a profile makes of a device: signals filled and missing, and what is asked how often.

Beside it stand hints: what is allowed, and yet is mostly a mistake.
"""

import itertools
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from contract import layouts
from contract.layouts import Layout
from contract.signal import Kind
from contract.signals import SIGNALS
from station.protocols.modbus.plan import Block, plan_for
from station.protocols.modbus.point import Point
from station.protocols.modbus.profile import Profile, RegisterType
from station.protocols.modbus.rhythm import rhythms_of


@dataclass(frozen=True)
class Fill:
    """One layout: its signals that the device tells, and those that it does not."""

    layout: str
    filled: tuple[str, ...]
    missing: tuple[str, ...]
    values: int


@dataclass(frozen=True)
class Ask:
    """Layouts that are asked for together, and the requests that it takes."""

    layouts: tuple[str, ...]
    period_s: float
    blocks: tuple[Block, ...]

    @property
    def per_second(self) -> float:
        """Requests a second."""
        return len(self.blocks) / self.period_s


@dataclass(frozen=True)
class Survey:
    """A profile in numbers and names."""

    fills: tuple[Fill, ...]
    asks: tuple[Ask, ...]
    fast_s: float | None

    @property
    def per_second(self) -> float:
        """Requests a second, the fast lane's included."""
        fast = 0.0 if self.fast_s is None else 1 / self.fast_s
        return fast + sum(ask.per_second for ask in self.asks)


def fill_of(layout: Layout, told: Collection[str]) -> Fill:
    """Return which signals of a layout a device tells, of which it tells these."""
    columns = layout.columns
    filled = tuple(c.signal.name for c in columns if c.signal.name in told)
    missing = tuple(c.signal.name for c in columns if c.signal.name not in told)
    values = sum(c.repeat for c in columns if c.signal.name in told)
    return Fill(layout.name, filled, missing, values)


def survey(profile: Profile) -> Survey:
    """Return what a checked profile fills and asks."""
    fills = [fill_of(layouts.get(name), points) for name, points in profile.layout_points().items()]
    asks = [
        Ask(rhythm.layouts, rhythm.period_s, plan_for(profile, rhythm.layouts).blocks)
        for rhythm in rhythms_of(profile)
    ]
    fast_s = None if profile.fast is None else profile.fast.period_s
    return Survey(tuple(fills), tuple(asks), fast_s)


def hints(profile: Profile) -> Iterator[str]:
    """Yield what a checked profile leaves open or does in an odd way, in words."""
    if not profile.expect:
        yield "nothing proves who answers: add [[expect]] with a register that tells the model"
    if profile.time is None:
        yield "no [time]: a device that stands still is not noticed"
    for name, write in profile.writes.items():
        bounded = write.low is not None and write.high is not None
        if write.value is None and not bounded and write.type is not RegisterType.BIT:
            yield f"writes.{name}: without low and high any number that fits is written"
    for layout, points in profile.layout_points().items():
        free = [
            signal
            for signal, point in points.items()
            if SIGNALS[signal].kind is Kind.ANALOG and point.low is None and point.high is None
        ]
        if free:
            names = ", ".join(free)
            yield f"layouts.{layout}: any value is plausible without low and high: {names}"
        numbers = [(s, p) for s, p in points.items() if not p.is_code and p.mask is None]
        for (one, first), (other, second) in itertools.combinations(numbers, 2):
            shared = _registers(profile, first) & _registers(profile, second)
            if shared:
                _, address = min(shared)
                yield (
                    f"layouts.{layout}: {one} and {other} both read register {address}: "
                    "see address, repeat and stride"
                )


def _registers(profile: Profile, point: Point) -> set[tuple[str, int]]:
    space = profile.space_of(point)
    return {
        (space, point.address + offset + word)
        for offset in point.offsets()
        for word in range(point.type.words)
    }
