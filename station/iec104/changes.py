"""What is worth a spontaneous transmission: a step past the dead band, or another quality."""

from dataclasses import dataclass

from station.iec104.values import Flags


@dataclass
class _Told:
    value: float
    flags: Flags


class Changes:
    """Remembers what was transmitted of each point."""

    def __init__(self) -> None:
        """Start with nothing told."""
        self._told: dict[int, _Told] = {}

    def is_news(self, ioa: int, value: float, flags: Flags, deadband: float) -> bool:
        """Whether a value is to be transmitted by itself; if so, it is remembered as told.

        Args:
            ioa: address of the information object.
            value: as it would be transmitted.
            flags: its quality descriptor.
            deadband: a step of less, in the transmitted unit, is no news; with 0 any step is.
        """
        before = self._told.get(ioa)
        step = abs(value - before.value) if before is not None else 0.0
        if before is not None and before.flags == flags and (step == 0.0 or step < deadband):
            return False
        self._told[ioa] = _Told(value, flags)
        return True

    def forget(self) -> None:
        """Begin anew: whoever listens now has been told nothing."""
        self._told.clear()
