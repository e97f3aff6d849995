"""Values of signals as a person reads them, whichever protocol brought them."""

import math

from contract.signal import Kind, Signal

_BITS = 32


def in_words(signal: Signal, number: float, scale: float) -> str:
    """Return a number, with its meaning where it is a state or bits.

    Args:
        signal: what it is.
        number: in the signal's unit.
        scale: the least step that the layout keeps; tells the digits behind the point.
    """
    if signal.kind is Kind.STATE:
        named = {value: english for value, english, _ in signal.states}
        return f"{number:.0f} {named.get(int(number), '?')}"
    if signal.kind is Kind.BITS:
        named = {bit: english for bit, english, _ in signal.states}
        on = [named.get(bit, f"bit {bit}") for bit in range(_BITS) if int(number) >> bit & 1]
        return ", ".join(on) or "none"
    return f"{number:.{digits(scale)}f}"


def digits(scale: float) -> int:
    """Return how many digits behind the point a step of this size has."""
    return max(0, -math.floor(math.log10(scale)))


def outside(low: float | None, high: float | None) -> str:
    """Return that a value lies outside its plausible range."""
    first = "" if low is None else f"{low:g}"
    last = "" if high is None else f"{high:g}"
    return f"outside {first}..{last}"
