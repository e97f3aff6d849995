"""Money to the cent: exact fractions until the one rounding that a market's rules name."""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from fractions import Fraction

from cloud.market.exchanges.settlement_file import RoundingFile

_MODES = {"half_up": ROUND_HALF_UP, "half_even": ROUND_HALF_EVEN}
_GUARD = Decimal("1e-9")


@dataclass(frozen=True, slots=True)
class Rounding:
    """A market's rounding rule.

    Attributes:
        step: the least amount of money.
        each_interval: every line is rounded; else only the sum of the day.
        mode: what becomes of a half, as `decimal` names it; "up" is away from zero.
    """

    step: Decimal
    each_interval: bool
    mode: str

    def money(self, exact: Fraction) -> Decimal:
        """Return an exact amount as a multiple of the step."""
        steps = exact / Fraction(self.step)
        floor = steps.numerator // steps.denominator
        rest = steps - floor
        whole = floor + self._goes_up(rest, floor)
        return whole * self.step

    def _goes_up(self, rest: Fraction, floor: int) -> bool:
        if rest != Fraction(1, 2):
            return rest > Fraction(1, 2)
        return floor % 2 == 1 if self.mode == ROUND_HALF_EVEN else floor >= 0

    def line(self, exact: Fraction) -> Decimal:
        """Return the amount of a line: rounded, or exact as far as decimals reach."""
        return self.money(exact) if self.each_interval else as_decimal(exact)


def rounding_of(rules: RoundingFile) -> Rounding:
    """Return the rounding rule of a market's file."""
    return Rounding(rules.step, rules.each == "interval", _MODES[rules.mode])


def as_decimal(exact: Fraction) -> Decimal:
    """Return a fraction as a decimal of 28 digits."""
    return Decimal(exact.numerator) / Decimal(exact.denominator)


def same_quantity(one: Decimal, other: Decimal) -> bool:
    """Return whether two energies differ by no more than the digits that a table cuts off."""
    return abs(one - other) <= _GUARD
