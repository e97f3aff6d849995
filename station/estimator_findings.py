"""What estimates give people to think about.

Anomalies, a BMS whose SOC is not ours, cells that do not look like their make, and an SOH model
that is not for these cells.
"""

import math
from collections.abc import Iterator, Sequence

from contract.layouts import RACK
from contract.words import Words
from station.alarms import Condition, plain_words
from station.estimation import Answer, Doubt, Finding
from station.image import Image
from station.station_row import DEVICE

DIFFERS_S = 900
"""So long in a row must the BMS's SOC lie outside our interval."""
AGREES_S = 60
"""And so long inside it again."""
DOUBTS_S = 300
"""So long in a row must a rack's voltages be unlike those of the make, and so long like them."""
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
        said = image.table(RACK)
        told = said.fresh("soc").tolist()
        for tag, soc, half in zip(racks, estimates, halves, strict=True):
            at = said.place.get(tag)
            bms_soc = math.nan if at is None else told[at]
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


class Doubts:
    """The racks whose voltages do not look like those of the make of their cells."""

    def __init__(self) -> None:
        """Start without doubt."""
        self._since_ms: dict[str, int] = {}
        self._last_ms: dict[str, int] = {}
        self._told: dict[str, Condition] = {}

    def note(self, racks: Sequence[str], answer: Answer) -> None:
        """Look at an answer; `racks` are the tags in its order."""
        now_ms = answer.at_ms
        for doubt in answer.doubts:
            tag = racks[doubt.rack]
            since_ms = self._since_ms.setdefault(tag, now_ms)
            self._last_ms[tag] = now_ms
            if now_ms - since_ms >= 1000 * DOUBTS_S and tag not in self._told:
                self._told[tag] = _doubtful(tag, doubt, now_ms)
        for tag, last_ms in list(self._last_ms.items()):
            away_ms = now_ms - last_ms
            if tag not in self._told and away_ms > 0:
                self._since_ms.pop(tag, None)
            if away_ms >= 1000 * DOUBTS_S:
                del self._last_ms[tag]
                self._since_ms.pop(tag, None)
                self._told.pop(tag, None)

    def conditions(self) -> Iterator[Condition]:
        """Yield the racks that are in doubt."""
        yield from self._told.values()


class UnusedSohModel:
    """An SOH model that the station has, and that is not for its cells."""

    def __init__(self) -> None:
        """Start with none."""
        self._told: Condition | None = None

    def note(self, answer: Answer) -> None:
        """Look at an answer: why a model is not used stands in its report."""
        reason = answer.report.soh_unused
        if not reason.en:
            self._told = None
        elif self._told is None:
            self._told = Condition(
                "estimator.soh_model_unused", DEVICE, answer.at_ms, detail=plain_words(reason)
            )

    def conditions(self) -> Iterator[Condition]:
        """Yield the model, while it is there."""
        if self._told is not None:
            yield self._told


def _doubtful(rack: str, doubt: Doubt, at_ms: int) -> Condition:
    return Condition(
        *("estimator.doubtful", rack, at_ms),
        detail=Words(
            f"{doubt.cells} cells, the first is cell {doubt.cell}",
            f"{doubt.cells} 个单体，首个为 {doubt.cell} 号",
        ),
        value=float(doubt.cells),
    )


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
