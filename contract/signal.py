"""What a signal is: a catalogued quantity with its unit, scale, kind and sensitivity."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from contract import states as words


class Grade(IntEnum):
    """Sensitivity of a signal, from 1 (may be shown to anyone signed in) to 4."""

    GENERAL = 1
    INTERNAL = 2
    IMPORTANT = 3
    CORE = 4


class Kind(StrEnum):
    """What a signal's values are, and so how they may be aggregated and drawn."""

    ANALOG = "analog"
    STATE = "state"
    BITS = "bits"
    COUNTER = "counter"
    INDEX = "index"


@dataclass(frozen=True, slots=True)
class Signal:
    """One catalogued quantity.

    `dtype` is the raw type ("i1", "i2", "i4" or "f4"), `scale` makes it physical
    (physical = raw * scale), `states` gives the words of values (Kind.STATE) or bit numbers
    (Kind.BITS).
    """

    name: str
    unit: str
    dtype: str
    scale: float
    kind: Kind
    grade: Grade
    label_en: str
    label_zh: str
    states: words.States = ()

    def label(self, language: str) -> str:
        """Return the label for a language tag: Chinese for "zh..." and English for others."""
        return self.label_zh if language.lower().startswith("zh") else self.label_en


def analog(  # noqa: PLR0917 - a table of the catalogue reads best in columns
    name: str, unit: str, dtype: str, scale: float, grade: Grade, en: str, zh: str
) -> Signal:
    """Return a quantity that may be averaged."""
    return Signal(name, unit, dtype, scale, Kind.ANALOG, grade, en, zh)


def counter(  # noqa: PLR0917 - a table of the catalogue reads best in columns
    name: str, unit: str, dtype: str, scale: float, grade: Grade, en: str, zh: str
) -> Signal:
    """Return a quantity that only grows."""
    return Signal(name, unit, dtype, scale, Kind.COUNTER, grade, en, zh)


def index(name: str, en: str, zh: str) -> Signal:
    """Return the number of a cell in its rack, or of a rack in its station, from 1."""
    return Signal(name, "", "i2", 1.0, Kind.INDEX, Grade.IMPORTANT, en, zh)


def state(name: str, grade: Grade, en: str, zh: str, states: words.States) -> Signal:
    """Return a quantity whose values are words."""
    return Signal(name, "", "i1", 1.0, Kind.STATE, grade, en, zh, states)


def bits(name: str, en: str, zh: str, states: words.States) -> Signal:
    """Return a field of bits that each have words."""
    return Signal(name, "", "i4", 1.0, Kind.BITS, Grade.INTERNAL, en, zh, states)
