"""When a value becomes known, where a file does not say it: a rule instead of a guess.

A day-ahead price is known from the auction's result on, a measured load some minutes after its
interval; what nobody has a rule for was known when it was imported, and not before.
"""

import datetime as dt
import re
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from cloud.market.errors import BadSeries
from cloud.market.prices.local_time import instant_ms, local_days
from cloud.market.units import MINUTE_MS

Millis = npt.NDArray[np.int64]
_DAY_BEFORE = re.compile(r"day-(\d) ([01]\d|2[0-3]):([0-5]\d)")
_AFTER = re.compile(r"after (\d{1,5})")


@dataclass(frozen=True, slots=True)
class Publication:
    """A rule of publication; its text is what people write.

    Attributes:
        text: "day-1 12:45": at this local time of the day so many days before the interval's;
            "after 15": so many minutes after the interval's end; "import": when it is imported.

    Raises:
        BadSeries: none of these.
    """

    text: str = "import"

    def __post_init__(self) -> None:
        """Refuse what is no rule."""
        if not (
            self.text == "import" or _DAY_BEFORE.fullmatch(self.text) or _AFTER.fullmatch(self.text)
        ):
            raise BadSeries(
                f"publication {self.text!r}: write e.g. 'day-1 12:45' (local time of the day "
                "before), 'after 15' (minutes after the interval's end), or 'import'"
            )

    @property
    def minute_before(self) -> int | None:
        """Local minute of the day before at which values become known; None: by another rule."""
        match = _DAY_BEFORE.fullmatch(self.text)
        return int(match[2]) * 60 + int(match[3]) if match and match[1] == "1" else None

    def known_ms(self, start_ms: Millis, step_ms: int, zone: ZoneInfo, now_ms: int) -> Millis:
        """Return when values became known, shape (n,), never later than `now_ms`.

        Args:
            start_ms: beginnings of the intervals, UTC, shape (n,).
            step_ms: length of an interval.
            zone: the market's local time.
            now_ms: the present: what is at hand is known.
        """
        if match := _AFTER.fullmatch(self.text):
            known = start_ms + step_ms + int(match[1]) * MINUTE_MS
        elif match := _DAY_BEFORE.fullmatch(self.text):
            days, clock = int(match[1]), dt.time(int(match[2]), int(match[3]))
            known = _clock_before(start_ms, days, clock, zone)
        else:
            known = np.full(start_ms.shape, now_ms, np.int64)
        return np.minimum(known, now_ms)


AT_IMPORT: Final = Publication()


def _clock_before(start_ms: Millis, days: int, clock: dt.time, zone: ZoneInfo) -> Millis:
    """Return a local time of the day so many days before each interval's local day."""
    if not start_ms.size:
        return start_ms
    dates, place = local_days(start_ms, zone)
    before = dt.timedelta(days=days)
    return np.array([instant_ms(date - before, clock, zone) for date in dates], np.int64)[place]
