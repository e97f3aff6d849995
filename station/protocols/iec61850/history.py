"""The leaves of one data set over time: newest by the device's stamps, and as they were then.

Of measurements only the newest matter. States keep a past, because measurements that come late
out of a device's buffer must find the states of their own time and not those of now.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from station.protocols.iec61850.ber import GOOD, MISSING, QUESTIONABLE, Codes, Decoded, Floats

_REMEMBERED_STATES = 256

Places = npt.NDArray[np.intp]
_Moment = tuple[float, Floats, Codes]


class Newest:
    """Keeps what came last."""

    def __init__(self, leaves: int) -> None:
        """Start with everything missing."""
        self.numbers = np.zeros(leaves)
        self.status = np.full(leaves, MISSING, np.uint8)
        self._before: Decoded | None = None

    def keep(self, decoded: Decoded) -> None:
        """Take the leaves that are there."""
        there = decoded.status != MISSING
        if there.all():
            self.numbers, self.status = decoded.numbers.copy(), decoded.status.copy()
            return
        self.numbers[there] = decoded.numbers[there]
        self.status[there] = decoded.status[there]

    def read(self, decoded: Decoded) -> None:
        """Take what the device holds at this moment."""
        self._before = Decoded(self.numbers.copy(), self.status.copy())
        self.keep(decoded)

    def go_back(self) -> None:
        """Undo the last `read` where something was known before.

        What the device kept is sent from where it stopped, so what it leaves out has the
        value of then.
        """
        if self._before is not None:
            self.keep(self._before)

    def doubt(self) -> None:
        """Values that are not sent again may have changed meanwhile: reports were lost."""
        self.status[self.status == GOOD] = QUESTIONABLE

    def at(self, _moment_ms: float) -> Decoded:
        """Return what is known now."""
        return Decoded(self.numbers, self.status)


class Remembered:
    """Keeps each member's last states by the time stamp that the member carries.

    Attributes:
        newest_ms: the newest time stamp of all members.
    """

    def __init__(self, members: Mapping[int, Places], stamps: Mapping[int, int]) -> None:
        """Start with everything missing.

        Args:
            members: places of each member's leaves.
            stamps: place of each member's time stamp, for members that have one.
        """
        self._members = members
        self._stamps = stamps
        self._past: dict[int, deque[_Moment]] = {
            member: deque(maxlen=_REMEMBERED_STATES) for member in members
        }
        self._now = Newest(sum(len(places) for places in members.values()))
        self.newest_ms = 0.0

    def keep(self, decoded: Decoded, *, newest: bool = False) -> None:
        """Take the members that are there, each at its own time.

        Args:
            decoded: the leaves.
            newest: they are what holds now, whatever their stamps say: the device was asked, or
                reports a change at the moment it comes. Stamps that go back mean that the
                device's clock does, and end the past.
        """
        for member, places in self._members.items():
            status = decoded.status[places]
            if (status == MISSING).all():
                continue
            entry = self._stamp(member, decoded), decoded.numbers[places], status
            past = self._past[member]
            if not past or entry[0] >= past[-1][0]:
                past.append(entry)
            elif newest:
                past.clear()
                past.append(entry)
            else:
                merged = sorted([*past, entry], key=lambda one: one[0])
                past.clear()
                past.extend(merged)
            _, self._now.numbers[places], self._now.status[places] = past[-1]
        self.newest_ms = max((past[-1][0] for past in self._past.values() if past), default=0.0)

    def _stamp(self, member: int, decoded: Decoded) -> float:
        place = self._stamps.get(member)
        if place is None or decoded.status[place] > QUESTIONABLE:
            return 0.0
        return float(decoded.numbers[place])

    def doubt(self) -> None:
        """States of the past may have changed meanwhile: reports were lost."""
        for past in self._past.values():
            for _, _, status in list(past)[:-1]:
                status[status == GOOD] = QUESTIONABLE

    def at(self, moment_ms: float) -> Decoded:
        """Return the states as they were at a time; before the first known, the first."""
        if moment_ms >= self.newest_ms:
            return self._now.at(moment_ms)
        numbers, status = self._now.numbers.copy(), self._now.status.copy()
        for member, places in self._members.items():
            past = self._past[member]
            if past:
                number = bisect_right(past, moment_ms, key=lambda entry: entry[0])
                _, numbers[places], status[places] = past[max(0, number - 1)]
        return Decoded(numbers, status)
