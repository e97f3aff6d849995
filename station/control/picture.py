"""What arrived between the seconds: the newest fast values of devices, with their age."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


class Fast(Protocol):
    """A fast reading, whoever publishes it."""

    @property
    def device(self) -> str:
        """Tag of the device."""

    @property
    def received_ms(self) -> int:
        """When it arrived, epoch milliseconds."""

    @property
    def values(self) -> Mapping[str, float]:
        """Signals in their own units, states as numbers, NaN where not usable."""


@dataclass
class FastPicture:
    """The newest fast value of every signal."""

    _values: dict[tuple[str, str], tuple[float, int]] = field(default_factory=dict)

    def update(self, reading: Fast, arrived_ms: int | None = None) -> None:
        """Take a reading that arrived at a time of the steady clock (else: its own time)."""
        at_ms = reading.received_ms if arrived_ms is None else arrived_ms
        for signal, value in reading.values.items():
            self._values[reading.device, signal] = (value, at_ms)

    def number(self, device: str, signal: str, since_ms: int) -> float:
        """Return a value that arrived at or after `since_ms` (steady), NaN when there is none."""
        value, at_ms = self._values.get((device, signal), (math.nan, 0))
        return value if at_ms >= since_ms else math.nan
