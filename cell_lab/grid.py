"""Cases side by side, as the cells of a station stand side by side."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cell_lab.disturb import Disturbed
from station.estimators.samples import Samples

Floats = npt.NDArray[np.float32]


class Grid:
    """The samples of all cases, padded to the longest: what comes after the end is no sample."""

    def __init__(self, cases: Sequence[Disturbed]) -> None:
        """Lay the cases side by side."""
        longest = max(len(case.recording.time_s) for case in cases)
        shape = (longest, len(cases))
        self.elapsed_s = np.zeros(shape, np.float32)
        self.current_a = np.zeros(shape, np.float32)
        self.voltage_v = np.zeros(shape, np.float32)
        self.temperature_c = np.zeros(shape, np.float32)
        self.good = np.zeros(shape, bool)
        self.told = np.array([case.told_soc for case in cases], np.float32)
        for column, case in enumerate(cases):
            recording, lost = case.recording, case.lost
            rows = slice(0, len(recording.time_s))
            since = _since_the_last(recording.elapsed_s, lost)
            self.elapsed_s[rows, column] = since
            self.current_a[rows, column] = recording.current_a
            self.voltage_v[rows, column] = recording.voltage_v
            self.temperature_c[rows, column] = recording.temperature_c
            self.good[rows, column] = ~lost.astype(bool)

    def samples(self, row: int) -> Samples:
        """Return one moment: each case is a rack of one cell."""
        good = self.good[row]
        return Samples(
            elapsed_s=self.elapsed_s[row],
            current_a=self.current_a[row],
            current_good=good,
            voltage_v=self.voltage_v[row],
            temperature_c=self.temperature_c[row],
            voltage_good=good,
        )


def _since_the_last(elapsed_s: npt.NDArray[np.float64], lost: npt.NDArray[np.float64]) -> Floats:
    """Return the time since the last sample that arrived; 0 where none arrives."""
    time_s = np.cumsum(elapsed_s)
    arrives = np.flatnonzero(~lost.astype(bool))
    since = np.zeros(len(elapsed_s), np.float32)
    since[arrives] = np.diff(time_s[arrives], prepend=time_s[0] - elapsed_s[0])
    return since
