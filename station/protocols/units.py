"""Units that devices speak in, and how each becomes the unit of a signal.

A manual gives cell voltages in mV, temperatures in K or degF and powers in W; the contract has
V, degC and kW. A unit belongs to one quantity; within it every unit is a line through the
quantity's own: own = value * factor + shift.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Unit:
    """One unit of a quantity: quantity's own unit = value * factor + shift."""

    quantity: str
    factor: Fraction
    shift: Fraction = Fraction(0)


def _decimal(quantity: str, symbol: str, **powers: int) -> dict[str, Unit]:
    """Return a symbol with decimal prefixes, each with its power of ten."""
    return {
        ("" if prefix == "_" else prefix) + symbol: Unit(quantity, Fraction(10) ** power)
        for prefix, power in powers.items()
    }


_CELSIUS_AT_0_K = Fraction(27315, 100)  # BIPM, SI brochure, 2.3.1
_KELVIN_PER_FAHRENHEIT = Fraction(5, 9)
_POUND_PER_SQUARE_INCH_PA = Fraction("6894.757293168")  # NIST SP 811, appendix B.8
_US_GALLON_L = Fraction("3.785411784")  # the same

UNITS: Mapping[str, Unit] = {
    **_decimal("voltage", "V", _=0, m=-3, u=-6, k=3),
    **_decimal("current", "A", _=0, m=-3, k=3),
    **_decimal("active power", "W", _=0, m=-3, k=3, M=6),
    **_decimal("reactive power", "var", _=0, k=3, M=6),
    **_decimal("reactive power", "VAr", _=0, k=3, M=6),
    **_decimal("reactive power", "Var", _=0, k=3),
    **_decimal("apparent power", "VA", _=0, k=3, M=6),
    **_decimal("energy", "Wh", _=0, k=3, M=6),
    "kJ": Unit("energy", Fraction(1000, 3600)),
    "MJ": Unit("energy", Fraction(1_000_000, 3600)),
    **_decimal("frequency", "Hz", _=0, m=-3),
    **_decimal("resistance", "Ω", _=0, m=-3, k=3, M=6),
    **_decimal("resistance", "ohm", _=0, m=-3, k=3, M=6),
    **_decimal("pressure", "Pa", _=0, h=2, k=3, M=6),
    **_decimal("pressure", "bar", _=5, m=2),
    "psi": Unit("pressure", _POUND_PER_SQUARE_INCH_PA),
    "°C": Unit("temperature", Fraction(1)),
    "degC": Unit("temperature", Fraction(1)),
    "K": Unit("temperature", Fraction(1), -_CELSIUS_AT_0_K),
    "°F": Unit("temperature", _KELVIN_PER_FAHRENHEIT, -32 * _KELVIN_PER_FAHRENHEIT),
    "degF": Unit("temperature", _KELVIN_PER_FAHRENHEIT, -32 * _KELVIN_PER_FAHRENHEIT),
    "l/min": Unit("flow", Fraction(1)),
    "l/h": Unit("flow", Fraction(1, 60)),
    "l/s": Unit("flow", Fraction(60)),
    "m3/h": Unit("flow", Fraction(1000, 60)),
    "gpm": Unit("flow", _US_GALLON_L),
    "": Unit("ratio", Fraction(1)),
    "1": Unit("ratio", Fraction(1)),
    "%": Unit("ratio", Fraction(1, 100)),
    "‰": Unit("ratio", Fraction(1, 1000)),
    "ppm": Unit("concentration", Fraction(1)),
    "ppb": Unit("concentration", Fraction(1, 1000)),
    "%vol": Unit("concentration", Fraction(10_000)),
    "s": Unit("time", Fraction(1)),
    "ms": Unit("time", Fraction(1, 1000)),
    "min": Unit("time", Fraction(60)),
}


class UnitMismatch(ValueError):  # noqa: N818 - reads as a fact: unit mismatch
    """A device's unit cannot become the signal's; the text lists those that can."""


def conversion(unit: str, signal_unit: str) -> tuple[float, float]:
    """Return (factor, shift): value in `signal_unit` = value in `unit` * factor + shift.

    Raises:
        UnitMismatch: the units are unknown or of different quantities.
    """
    own = UNITS.get(signal_unit)
    given = UNITS.get(unit)
    if own is None or given is None or own.quantity != given.quantity:
        known = [] if own is None else [u for u in UNITS if u and UNITS[u].quantity == own.quantity]
        wanted = f"{signal_unit or 'a plain number'}"
        raise UnitMismatch(
            f"unit {unit!r} cannot become {wanted}; take one of {', '.join(known) or wanted}"
        )
    return float(given.factor / own.factor), float((given.shift - own.shift) / own.factor)
