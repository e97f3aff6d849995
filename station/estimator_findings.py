"""What estimates give people to think about: anomalies, and a BMS whose SOC is not ours."""

import math
from collections.abc import Iterator, Sequence

from contract.layouts import RACK
from contract.words import Words
from station.alarms import Condition, plain_words
from station.estimation import Answer
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


def anomaly_conditions(answer: Answer, racks: Sequence[str]) -> Iterator[Condition]:
    """Yield the anomalies of an answer, each by its rack, kind and cell."""
    for found in answer.findings:
        code = _BY_LEVEL.get(found.level)
        if code is None:
            continue
        cell = (
            Words(f", cell {found.cell}", f"，{found.cell} 号单体") if found.cell else Words("", "")
        )
        yield Condition(
            *(code, racks[found.rack], answer.at_ms),
            tag=f"{found.kind}.{found.cell}",
            detail=plain_words(Words(found.en + cell.en, found.zh + cell.zh)),
        )
