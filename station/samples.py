"""What the rooms of the station agree to call a sample, so that none must know another.

A sample is what one device said in one layout at one device time. The drivers' reading has
this shape; so has the row of computed values that the controller makes once a cycle.
"""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

RawColumns = tuple[npt.NDArray[Any], ...]


class Sample(Protocol):
    """One row of one layout; see ``contract.layouts`` for the columns."""

    @property
    def device(self) -> str:
        """Tag of the device."""

    @property
    def layout(self) -> str:
        """Name of the layout."""

    @property
    def time_ms(self) -> int:
        """Device time, epoch milliseconds: the identity of the sample."""

    @property
    def received_ms(self) -> int:
        """Station time of arrival, epoch milliseconds."""

    @property
    def values(self) -> RawColumns:
        """Raw scaled integers, one array of shape (repeat,) per column."""

    @property
    def quality(self) -> npt.NDArray[np.uint8]:
        """``contract.frame.Quality`` of each value, shape (width,)."""
