"""Cells as a part of the station: every bundle of them is preprocessed before anybody sees it.

What was made of it goes to image and cloud as a sample of each rack; what a person must look after
is a condition until it is gone.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from contract import layouts
from contract.layouts import ESTIMATE_SUMMARY
from contract.words import Words
from station.alarms import Condition
from station.computed import Instant, computed_samples
from station.image import CELLS_PREFIX
from station.preprocessing import (
    NO_MISTAKE,
    SIGNALS,
    CellChecks,
    Checks,
    Found,
    Memory,
    Preprocessed,
    load_checks,
    preprocess,
)
from station.protocols import Bundle
from station.samples import Sample

_REMEMBERED = 3600
_SECOND_MS = 1000
_SIGNAL_WORDS = {
    "cell_voltage_v": Words("voltage", "电压"),
    "cell_temperature_c": Words("temperature", "温度"),
}


@dataclass
class _Racks:
    """The racks of one layout, and what is remembered of them."""

    memory: Memory
    place: dict[str, int] = field(default_factory=dict)


class CellDesk:
    """Preprocesses the cells of all racks.

    Attributes:
        batches: how many were taken.
        took_ms: processor time of each of the newest batches, ms.
    """

    def __init__(self, sample: Callable[[Sample], None], checks: CellChecks | None = None) -> None:
        """Prepare.

        Args:
            sample: takes what was computed.
            checks: what is looked for; None: what ships with the station.
        """
        self._sample = sample
        self._checks = checks or load_checks()
        self._racks: dict[str, _Racks] = {}
        self._told: dict[tuple[str, str, str], Condition] = {}
        self.batches = 0
        self.took_ms: deque[float] = deque(maxlen=_REMEMBERED)

    def take(self, bundle: Bundle) -> Bundle:
        """Return a bundle with its quality as preprocessing leaves it; others as they are."""
        if not bundle.layout.startswith(CELLS_PREFIX) or not bundle.devices:
            return bundle
        began_s = time.thread_time()
        places = self._places(bundle)
        if len(set(bundle.devices)) < len(bundle.devices):
            return self._one_by_one(bundle)
        racks = self._racks[bundle.layout]
        layout = layouts.get(bundle.layout)
        batch = (layout, bundle.values, bundle.quality)
        before = racks.memory.of(places)
        done, after = preprocess(self._checks, before, batch, bundle.time_ms / 1000)
        racks.memory = racks.memory.with_racks(places, after)
        self._tell(bundle, done)
        self.batches += 1
        self.took_ms.append((time.thread_time() - began_s) * 1000)
        return replace(bundle, quality=done.quality)

    def report(self) -> dict[str, float | None]:
        """Return what the status file says: processor time of a batch, p50 and p99 of the last."""
        if not self.took_ms:
            return {"batches": 0, "p50_ms": None, "p99_ms": None}
        p50, p99 = np.percentile(np.array(self.took_ms), [50, 99])
        return {"batches": self.batches, "p50_ms": round(p50, 2), "p99_ms": round(p99, 2)}

    def conditions(self) -> Iterator[Condition]:
        """Yield what a person must look after."""
        yield from self._told.values()

    def _one_by_one(self, bundle: Bundle) -> Bundle:
        """Take a bundle in which a rack tells several samples: one after the other."""
        parts = [self.take(_row(bundle, at)) for at in range(len(bundle.devices))]
        return replace(bundle, quality=np.concatenate([part.quality for part in parts]))

    def _places(self, bundle: Bundle) -> npt.NDArray[np.intp]:
        """Return the places of racks in the memory, which grows with racks that are new."""
        cells = bundle.quality.shape[1] // len(SIGNALS)
        racks = self._racks.setdefault(bundle.layout, _Racks(Memory.nothing(0, cells)))
        new = [device for device in dict.fromkeys(bundle.devices) if device not in racks.place]
        if new:
            known = len(racks.place)
            grown = Memory.nothing(known + len(new), cells)
            racks.memory = grown.with_racks(np.arange(known), racks.memory)
            racks.place |= {device: known + number for number, device in enumerate(new)}
        return np.array([racks.place[device] for device in bundle.devices], np.intp)

    def _tell(self, bundle: Bundle, done: Preprocessed) -> None:
        now_ms = int(bundle.received_ms.max())
        seconds = bundle.time_ms // _SECOND_MS * _SECOND_MS
        for second_ms in np.unique(seconds).tolist():
            these = np.flatnonzero(seconds == second_ms)
            tags = [bundle.devices[at] for at in these.tolist()]
            summary = {name: values[these] for name, values in done.summary.items()}
            for made in computed_samples(
                tags, ESTIMATE_SUMMARY, summary, Instant(second_ms, now_ms)
            ):
                self._sample(made)
        for signal, found in zip(SIGNALS, done.found, strict=True):
            self._note(bundle, signal, found)

    def _note(self, bundle: Bundle, signal: str, found: Found) -> None:
        """Keep the conditions of a signal; a rack without any of them has mended."""
        checks: Checks = getattr(self._checks, signal)
        still = found.frozen.any(axis=1) | (found.mistake != NO_MISTAKE)
        told = {device for _, device, name in self._told if name == signal}
        if not still.any() and not told:
            return
        for at, device in enumerate(bundle.devices):
            if device in told:
                self._told.pop(("data.frozen_cells", device, signal), None)
                self._told.pop(("data.unit_mistake", device, signal), None)
            if still[at]:
                at_ms = int(bundle.time_ms[at])
                for condition in _conditions(checks, found, at, (device, signal, at_ms)):
                    self._told[condition.key] = condition


def _row(bundle: Bundle, at: int) -> Bundle:
    one = slice(at, at + 1)
    return Bundle(
        *(bundle.layout, bundle.devices[one], bundle.time_ms[one], bundle.received_ms[one]),
        tuple(column[one] for column in bundle.values),
        bundle.quality[one],
    )


def _conditions(
    checks: Checks, found: Found, at: int, what: tuple[str, str, int]
) -> Iterator[Condition]:
    """Yield what is wrong with a signal of a rack; `what` is the rack, the signal and the time."""
    device, signal, at_ms = what
    name = _SIGNAL_WORDS[signal]
    frozen = np.flatnonzero(found.frozen[at])
    if frozen.size:
        first = int(frozen[0]) + 1
        yield Condition(
            *("data.frozen_cells", device, at_ms, signal),
            detail=Words(
                f"{name.en} of {frozen.size} cells, the first is cell {first}",
                f"{frozen.size} 个单体的{name.zh}，首个为 {first} 号",
            ),
            value=float(frozen.size),
        )
    if found.mistake[at] != NO_MISTAKE:
        mistake = checks.mistakes[int(found.mistake[at])]
        words = Words(f"{name.en} {mistake.en}", f"{name.zh}{mistake.zh}")
        yield Condition("data.unit_mistake", device, at_ms, signal, words)
