"""What estimates give people to think about: anomalies, and a BMS whose SOC is not ours."""

import math
from collections.abc import Iterator, Sequence

from contract.layouts import RACK
from contract.words import Words
from station.alarms import Condition, plain_words
from station.estimation import Answer, Finding
from station.image import Image
from station.plant import fresh_number

DIFFERS_S = 900
"""So long in a row must the BMS's SOC lie outside our interval."""
AGREES_S = 60
"""And so long inside it again."""
_MARGIN = 0.01
"""A BMS tells SOC in steps, and of another capacity than ours: so much is no difference."""
_BY_LEVEL = {1: "anomaly.hint", 2: "anomaly.warning", 3: "anomaly.alarm"}


class Disagreement:
    """Watches the SOC of each rack's BMS against our interval."""

    def __init__(self) -> None:
        """Start with all in agreement."""
        self._outside_s: dict[str, int] = {}
        self._inside_s: dict[str, int] = {}
        self._told: dict[str, Condition] = {}

    def note(self, image: Image, racks: Sequence[str], answer: Answer) -> None:
        """Look at one second.

        Args:
            image: with what the BMS says.
            racks: tags, in the order of the answer.
            answer: the newest.
        """
        estimates = answer.racks["soc_estimate"].tolist()
        halves = answer.racks["soc_half_width"].tolist()
        for tag, soc, half in zip(racks, estimates, halves, strict=True):
            bms_soc = fresh_number(image, tag, RACK.name, "soc")
            off = bms_soc - soc
            if math.isfinite(off) and math.isfinite(half):
                self._count(tag, image.at_ms, off, half + _MARGIN)

    def _count(self, tag: str, at_ms: int, off: float, allowed: float) -> None:
        outside = abs(off) > allowed
        self._outside_s[tag] = self._outside_s.get(tag, 0) + 1 if outside else 0
        self._inside_s[tag] = 0 if outside else self._inside_s.get(tag, 0) + 1
        if self._outside_s[tag] == DIFFERS_S and tag not in self._told:
            said = f"BMS {off * 100:+.1f} %"
            words = Words(f"{said} against the estimate", f"{said}（相对估计值）")
            self._told[tag] = Condition(
                *("estimator.soc_differs", tag, at_ms),
                detail=words,
                value=round(off, 4),
                limit=round(allowed, 4),
            )
        if self._inside_s[tag] >= AGREES_S:
            self._told.pop(tag, None)

    def conditions(self) -> Iterator[Condition]:
        """Yield the racks whose BMS differs."""
        yield from self._told.values()


class Anomalies:
    """The anomaly of each rack, from its beginning until its level is none again."""

    def __init__(self) -> None:
        """Start with none."""
        self._told: dict[str, Condition] = {}

    def note(self, racks: Sequence[str], answer: Answer) -> None:
        """Look at an answer; `racks` are the tags in its order."""
        for found in answer.findings:
            self._told[racks[found.rack]] = _condition(racks[found.rack], found, answer.at_ms)
        levels = answer.racks.get("anomaly_level")
        for tag, level in zip(racks, () if levels is None else levels.tolist(), strict=False):
            if not level >= 1:
                self._told.pop(tag, None)

    def conditions(self) -> Iterator[Condition]:
        """Yield the racks' anomalies."""
        yield from self._told.values()


def _condition(rack: str, found: Finding, at_ms: int) -> Condition:
    """Return a finding as a condition; its text ends with the window that shows it."""
    minutes = max(1, round((at_ms - found.since_ms) / 60_000))
    cell = Words(f"cell {found.cell}: ", f"{found.cell} 号单体：") if found.cell else Words("", "")
    return Condition(
        *(_BY_LEVEL[min(max(found.level, 1), 3)], rack, at_ms),
        tag=f"{found.kind}.{found.cell}",
        detail=plain_words(
            Words(
                f"{cell.en}{found.en} (last {minutes} min)",
                f"{cell.zh}{found.zh}（最近 {minutes} 分钟）",
            )
        ),
    )
