"""What a profile makes of a device: signals filled and missing, and what is asked how often."""

from collections.abc import Collection
from dataclasses import dataclass

from contract import layouts
from contract.layouts import Layout
from station.protocols.modbus.plan import Block, plan_for
from station.protocols.modbus.profile import Profile
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
