"""Who makes up a forecast, and what happens when one of them cannot."""

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np

from cloud.market.forecasts.additive import Additive
from cloud.market.forecasts.boosting import Boosting
from cloud.market.forecasts.days import DayTable
from cloud.market.forecasts.history import Floats
from cloud.market.forecasts.kernel import Kernel, rough, smooth
from cloud.market.forecasts.lear import Lear
from cloud.market.forecasts.naive import Profile, Repeat

FIRST_ROW: Final = 15
"""The first day that every member can forecast."""

LEAR_WINDOWS: Final = (56, 84, 364, 1092, 1456)
_ABSURD: Final = 3.0  # times the range of the last year on both sides
_YEAR: Final = 365


class Member(Protocol):
    """Something that forecasts a day from the days before it."""

    name: str

    def forecast(self, table: DayTable, row: int) -> Floats:
        """Return a day's forecast, shape (points,), from rows before it only."""
        ...


def naive_members() -> tuple[Member, ...]:
    """Return the profiles that need no training."""
    return Repeat("naive.day", 1), Repeat("naive.week", 7), Profile("naive.profile", 7)


def lear_members() -> tuple[Member, ...]:
    """Return LEAR over its windows."""
    return tuple(Lear(f"lear.{window}", window) for window in LEAR_WINDOWS)


def kernel_members() -> tuple[Member, ...]:
    """Return kernel regressions of two shapes, and one of what prices are off their level."""
    return (
        Kernel("kernel.rough", rough),
        Kernel("kernel.smooth", smooth),
        Kernel("kernel.level", smooth, by_level=True),
    )


def boosting_members() -> tuple[Member, ...]:
    """Return boosted trees on prices, and on what prices are off their level."""
    return Boosting(), Boosting("lightgbm.level", refit_days=28, by_level=True)


def quick_members() -> tuple[Member, ...]:
    """Return naive profiles and LEAR: what takes milliseconds a day."""
    return (*naive_members(), *lear_members())


def all_members() -> tuple[Member, ...]:
    """Return everyone."""
    return (*quick_members(), *kernel_members(), *boosting_members(), Additive())


def ask(members: Sequence[Member], table: DayTable, row: int) -> tuple[Floats, tuple[str, ...]]:
    """Return what every member says of a day, and flags for those that could not.

    Who fails, or says what cannot be, is replaced by the week before.

    Returns:
        Forecasts of shape (members, points), and the flags.
    """
    seen = table.price[max(0, row - _YEAR) : row]
    spare = _ABSURD * (float(np.ptp(seen)) + 1e-9)
    low, high = float(seen.min()) - spare, float(seen.max()) + spare
    said, flags = np.empty((len(members), table.points)), []
    for place, member in enumerate(members):
        try:
            said[place] = member.forecast(table, row)
            good = bool(np.isfinite(said[place]).all())
            problem = (
                ""
                if good and low <= said[place].min() <= said[place].max() <= high
                else ("says what cannot be")
            )
        except (ArithmeticError, ValueError, RuntimeError, ImportError) as error:
            problem = f"{type(error).__name__}: {error}".splitlines()[0]
        if problem:
            flags.append(f"{member.name}: {problem}: the week before stands in")
            said[place] = table.price[row - 7]
    return said, tuple(flags)
