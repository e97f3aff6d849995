"""What a number looks like on a disk, and the search for it in every byte of a folder."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RUN = 4
"""Neighbouring samples of a series that are searched for together: short ones recur by chance."""
_SLICE = 16
_LONG = 7
"""Digits from which on a number alone is no chance."""


@dataclass(frozen=True)
class Series:
    """Sensitive samples in order: scaled integers of `dtype`, physical = raw * scale."""

    name: str
    raw: NDArray[np.int64]
    scale: float
    dtype: str

    @property
    def physical(self) -> NDArray[np.float64]:
        return self.raw * self.scale

    @property
    def digits(self) -> int:
        """Decimals of the physical value."""
        return max(0, round(-np.log10(self.scale)))

    def traces(self) -> dict[str, bytes]:
        """Encoding -> bytes of the first samples in it."""
        raw, physical = self.raw[:RUN], self.physical[:RUN]
        texts = [f"{value:.{self.digits}f}" for value in physical]
        found = {
            f"{dtype} {order}": values.astype(order + dtype).tobytes()
            for order in "<>"
            for values, dtypes in ((raw, {self.dtype, "i4", "i8"}), (physical, ("f4", "f8")))
            for dtype in dtypes
        }
        found |= {f"one f8 {order}": physical[:1].astype(f"{order}f8").tobytes() for order in "<>"}
        joined = {"text": texts, "raw text": [str(value) for value in raw]}
        for kind, words in joined.items():
            found |= {f"{kind} {glue!r}": glue.join(words).encode() for glue in (",", ", ", "\t")}
            if len(words[0].replace(".", "")) >= _LONG:
                found[f"one {kind}"] = words[0].encode()
        return {f"{self.name}: {encoding}": trace for encoding, trace in found.items()}


def numeric(text: str) -> bytes:
    """Digits of PostgreSQL's numeric, as jsonb keeps numbers: base 10,000, 16 bits each."""
    whole, _, fraction = text.partition(".")
    whole = whole.zfill(-(-len(whole) // 4) * 4)
    fraction = fraction.ljust(-(-len(fraction) // 4) * 4, "0")
    digits = [int((whole + fraction)[at : at + 4]) for at in range(0, len(whole + fraction), 4)]
    return np.array(digits, dtype="<i2").tobytes()


def slices(name: str, blob: bytes) -> dict[str, bytes]:
    """Pieces of an encoded frame: any of them betrays that it lies there unsealed."""
    places = {at: len(blob) * at // 4 for at in (1, 2, 3)}
    return {f"{name}: {at}/4": blob[place : place + _SLICE] for at, place in places.items()}


def middle(name: str, blob: bytes) -> dict[str, bytes]:
    """The bytes in the middle of something; nothing of what is too short to tell."""
    start = max(0, (len(blob) - _SLICE) // 2)
    return {name: blob[start : start + _SLICE]} if len(blob) >= _SLICE else {}


def search(folder: Path, traces: Mapping[str, bytes]) -> dict[str, Path]:
    """Trace -> a file of `folder` that holds it; those that are nowhere are left out."""
    anchored: defaultdict[int, list[tuple[int, str]]] = defaultdict(list)
    for name, trace in traces.items():
        anchor = max(range(len(trace) - 3), key=lambda at: len(set(trace[at : at + 4])))
        anchored[int.from_bytes(trace[anchor : anchor + 4], "little")].append((anchor, name))
    anchors = np.array(sorted(anchored), dtype="<u4")
    found: dict[str, Path] = {}
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            for at, word in _places(content, anchors):
                for anchor, name in anchored[word]:
                    if at >= anchor and content.startswith(traces[name], at - anchor):
                        found[name] = path
    return found


def _places(content: bytes, anchors: NDArray[np.uint32]) -> Iterator[tuple[int, int]]:
    """Where one of `anchors` (four bytes each, sorted) stands, whatever the alignment."""
    for offset in range(min(4, len(content) - 3)):
        words = np.frombuffer(content, "<u4", (len(content) - offset) // 4, offset)
        nearest = anchors[np.searchsorted(anchors, words).clip(max=len(anchors) - 1)]
        for number in np.flatnonzero(nearest == words).tolist():
            yield 4 * number + offset, int(words[number])
