"""What a way to estimate SOC said over all samples of all cases."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cell_lab.grid import Floats

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Track:
    """What a method said over all samples of all cases, shape (samples, cases).

    Attributes:
        soc: a share of 1.
        half_width: of the interval of nominally 90 %; None where a method gives none.
        searching: whether a cell was still in its cold start's search; None as above.
    """

    soc: Floats
    half_width: Floats | None
    searching: npt.NDArray[np.bool_] | None = None
