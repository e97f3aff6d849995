"""Values of a report or a data set, decoded all at once out of their encoding (ISO 9506-2, Data).

The library gives the members of a report as a tree whose every leaf costs several calls. It can
also encode the tree again, in one call; from report to report that encoding differs only in the
contents of its leaves. So its shape (which byte belongs to which leaf) is worked out once, each
further report is compared with it, and its leaves are gathered by NumPy. An encoding of another
shape (an integer that needs one byte more, fewer members) is worked out anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from contract.frame import Quality
from station.protocols.errors import BadReply

GOOD, QUESTIONABLE, INVALID, MISSING = (
    int(quality)
    for quality in (Quality.GOOD, Quality.QUESTIONABLE, Quality.INVALID, Quality.MISSING)
)
"""Plain numbers: NumPy takes several microseconds to see one in a member of an enumeration."""

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.uint8]
Way = tuple[int, tuple[int, ...], str]
"""A leaf: its member, the element indices that lead to it, and its SCL basic type."""

_ERROR, _BOOLEAN, _BITS, _INTEGER, _UNSIGNED, _FLOAT, _UTC_TIME = (
    0x80, 0x83, 0x84, 0x85, 0x86, 0x87, 0x91,
)  # fmt: skip
_CONSTRUCTED = 0x20
_LONG_LENGTH = 0x80
_FLOATS = {(5, 8): "f4", (9, 11): "f8"}
"""By length of the contents, and the exponent's width that their first byte tells."""
_WHOLE = {(_BOOLEAN, 1): "boolean", (_UTC_TIME, 8): "time"}
_BIT_STRINGS = {("Quality", 3): "quality", ("Dbpos", 2): "double point"}
"""By SCL basic type and length, the number of unused bits among it."""
_LONGEST_INTEGER = 9
_MOST_SHAPES = 64
_FRACTION = 1 << 24
"""A time stamp's fraction of a second counts in these (IEC 61850-8-1, UtcTime)."""
CLOCK_FAILURE, CLOCK_NOT_SYNCHRONIZED = 1 << 6, 1 << 5
"""Bits of the last byte of a time stamp, its TimeQuality (IEC 61850-8-1, UtcTime)."""
_SIGN = 0x80
_TEST_BIT = 1 << 4
"""Bit 11 of a Quality, in its 16 bits as they are sent."""
_VALIDITY = np.array([GOOD, INVALID, INVALID, QUESTIONABLE], np.float64)
"""IEC 61850-7-3, Quality: good, invalid, reserved, questionable, by the two bits as sent."""


@dataclass(frozen=True)
class Members:
    """The members of a report or a data set, encoded.

    Attributes:
        payload: all members as one array (`included` is None), or those that are there, one
            after another.
        count: number of members of the data set.
        included: one byte for each member, 1 when it is there; None when all are.
        lengths: of the encodings one after another; empty when all members are there.
    """

    payload: bytes
    count: int
    included: bytes | None = None
    lengths: tuple[int, ...] = ()


@dataclass(frozen=True)
class Decoded:
    """Leaves in the order asked for.

    Attributes:
        numbers: the values; times in epoch milliseconds, a Quality as our quality's number.
        status: GOOD; QUESTIONABLE for a time whose clock has failed by its own word; MISSING
            where the leaf is not there; INVALID where it is no number.
    """

    numbers: Floats
    status: Codes


@dataclass(frozen=True)
class _Element:
    """One encoded element: tag, where it begins, its contents, and what is inside."""

    tag: int
    begin: int
    start: int
    stop: int
    inside: tuple["_Element", ...]


@dataclass(frozen=True)
class _Group:
    """Leaves that are decoded alike: their places in the result and their bytes."""

    kind: str
    places: npt.NDArray[np.intp]
    index: npt.NDArray[np.intp]


class _Shape:
    """Where the leaves lie in all encodings that agree in their tags and lengths."""

    def __init__(self, members: Members, ways: Sequence[Way], clock_faults: int) -> None:
        """Work it out.

        Raises:
            BadReply: the encoding is broken.
        """
        payload = members.payload
        self._mask = np.zeros(len(payload), np.uint8)
        elements = _elements(payload, 0, len(payload), self._mask)
        if members.included is None:
            there = dict(enumerate(elements[0].inside if elements else ()))
        else:
            present = [n for n, flag in enumerate(members.included) if flag]
            there = dict(zip(present, elements, strict=True))
        self.payload = payload
        self._clock_faults = clock_faults
        self.spans = [(there[n].begin, there[n].stop) for n in sorted(there)]
        self._fixed = np.frombuffer(payload, np.uint8) & self._mask
        self._status = np.full(len(ways), MISSING, np.uint8)
        spots: dict[tuple[str, int], list[tuple[int, int]]] = {}
        for place, (member, way, basic_type) in enumerate(ways):
            leaf = _follow(there.get(member), way)
            if leaf is None:
                continue
            kind, start, size = _kind(leaf, basic_type, payload)
            self._status[place] = GOOD if kind else INVALID
            if kind:
                spots.setdefault((kind, size), []).append((place, start))
        self._groups = tuple(_group(kind, size, found) for (kind, size), found in spots.items())

    def fits(self, raw: Codes) -> bool:
        """Whether an encoding of the same length has this shape."""
        return bool(np.array_equal(raw & self._mask, self._fixed))

    def decode(self, raw: Codes) -> Decoded:
        """Gather the leaves."""
        numbers = np.zeros(len(self._status))
        status = self._status.copy()
        for group in self._groups:
            contents = raw[group.index]
            numbers[group.places] = _numbers(group.kind, contents)
            if group.kind == "time":
                doubtful = contents[:, -1] & self._clock_faults != 0
                status[group.places[doubtful]] = QUESTIONABLE
        broken = ~np.isfinite(numbers)
        if broken.any():
            numbers[broken] = 0.0
            status[broken] = INVALID
        return Decoded(numbers, status)


class Decoder:
    """Decodes certain leaves of one data set."""

    def __init__(self, ways: Sequence[Way], clock_faults: int = CLOCK_FAILURE) -> None:
        """Decode these leaves, in this order.

        Args:
            ways: where they lie.
            clock_faults: the bits of a TimeQuality that make a time questionable.
        """
        self._clock_faults = clock_faults
        self._ways = tuple(ways)
        self._member = np.array([member for member, _, _ in ways], np.intp)
        self._shapes: dict[tuple[bytes | None, int], list[_Shape]] = {}
        self._whole: _Shape | None = None
        self.worked_out = 0

    def decode(self, members: Members) -> Decoded:
        """Return the leaves.

        Raises:
            BadReply: the encoding is broken.
        """
        if members.included is not None and (filled := self._filled_in(members)) is not None:
            return filled
        raw = np.frombuffer(members.payload, np.uint8)
        shape = self._shape(members, raw)
        if members.included is None:
            self._whole = shape
        return shape.decode(raw)

    def _shape(self, members: Members, raw: Codes) -> _Shape:
        key = members.included, len(raw)
        for shape in self._shapes.get(key, ()):
            if shape.fits(raw):
                return shape
        shape = _Shape(members, self._ways, self._clock_faults)
        if self.worked_out % _MOST_SHAPES == 0:
            self._shapes.clear()
        self.worked_out += 1
        self._shapes.setdefault(key, []).insert(0, shape)
        return shape

    def _filled_in(self, members: Members) -> Decoded | None:
        """Decode some members in the shape of all of them; None when they do not fit into it.

        Which members a report of changes holds differs from one to the next; the shape of the
        whole data set serves all of them.
        """
        whole, included = self._whole, members.included or b""
        if whole is None or len(whole.spans) != len(included):
            return None
        spans = [span for span, flag in zip(whole.spans, included, strict=True) if flag]
        if any(n != stop - begin for n, (begin, stop) in zip(members.lengths, spans, strict=True)):
            return None
        filled, at = bytearray(whole.payload), 0
        for begin, stop in spans:
            filled[begin:stop] = members.payload[at : (at := at + stop - begin)]
        raw = np.frombuffer(filled, np.uint8)
        if not whole.fits(raw):
            return None
        decoded = whole.decode(raw)
        absent = np.frombuffer(included, np.uint8)[self._member] == 0
        decoded.numbers[absent] = 0.0
        decoded.status[absent] = MISSING
        return decoded


def _elements(payload: bytes, start: int, stop: int, mask: Codes) -> tuple[_Element, ...]:
    """Walk the elements between two places; mark in the mask what no value may change."""
    found = []
    while start < stop:
        try:
            tag, length, contents = payload[start], payload[start + 1], start + 2
            if length >= _LONG_LENGTH:
                contents += length - _LONG_LENGTH
                length = int.from_bytes(payload[start + 2 : contents])
        except IndexError:
            raise BadReply("a value's encoding ends within its head") from None
        end = contents + length
        if end > stop:
            raise BadReply("a value's encoding is longer than what holds it")
        mask[start:contents] = 0xFF
        if tag in (_BITS, _FLOAT):  # unused bits; the exponent's width
            mask[contents : contents + 1] = 0xFF
        inside = _elements(payload, contents, end, mask) if tag & _CONSTRUCTED else ()
        found.append(_Element(tag, start, contents, end, inside))
        start = end
    return tuple(found)


def _follow(element: _Element | None, way: tuple[int, ...]) -> _Element | None:
    """Follow element indices; an access error on the way is the end of it."""
    for index in way:
        if element is None or element.tag == _ERROR:
            return element
        element = element.inside[index] if index < len(element.inside) else None
    return element


def _kind(leaf: _Element, basic_type: str, payload: bytes) -> tuple[str, int, int]:
    """Return how a leaf is decoded (empty: it is no number), and which bytes of it."""
    size = leaf.stop - leaf.start
    first = payload[leaf.start] if size else 0
    match leaf.tag, size:
        case t, _ if t == _FLOAT and (size, first) in _FLOATS:
            return _FLOATS[size, first], leaf.start + 1, size - 1
        case t, _ if t in (_INTEGER, _UNSIGNED) and 1 <= size <= _LONGEST_INTEGER:
            return ("signed" if t == _INTEGER else "unsigned"), leaf.start, size
        case t, _ if (t, size) in _WHOLE:
            return _WHOLE[t, size], leaf.start, size
        case t, _ if t == _BITS and size > 1:
            kind = _BIT_STRINGS.get((basic_type, size), "bits")
            return kind, leaf.start + 1, size - 1
    return "", leaf.start, size


def _group(kind: str, size: int, found: Sequence[tuple[int, int]]) -> _Group:
    places = np.array([place for place, _ in found], np.intp)
    starts = np.array([start for _, start in found], np.intp)
    return _Group(kind, places, starts[:, None] + np.arange(size, dtype=np.intp))


def _numbers(kind: str, raw: Codes) -> Floats:
    """Return the numbers in the contents of leaves, shape (leaves, bytes)."""
    match kind:
        case "f4" | "f8":
            numbers = raw.view(f">{kind}")[:, 0].astype(np.float64)
        case "boolean":
            numbers = (raw[:, 0] != 0).astype(np.float64)
        case "quality":
            floor = np.where(raw[:, 1] & _TEST_BIT != 0, float(QUESTIONABLE), 0.0)
            numbers = np.maximum(_VALIDITY[raw[:, 0] >> 6], floor)
        case "time":
            words = raw.view(">u4").astype(np.int64)
            fraction = words[:, 1] >> 8  # the last byte is the TimeQuality
            milliseconds = (fraction * 1000 + _FRACTION // 2) // _FRACTION
            numbers = (words[:, 0] * 1000 + milliseconds).astype(np.float64)
        case "double point":  # the first bit is the more significant
            numbers = (raw[:, 0] >> 6).astype(np.float64)
        case "bits":  # the first bit is bit 0 of the number
            bits = np.unpackbits(raw, axis=1).astype(np.float64)
            numbers = bits @ np.exp2(np.arange(bits.shape[1]))
        case _:
            numbers = raw.astype(np.float64) @ 256.0 ** np.arange(raw.shape[1] - 1, -1, -1)
            if kind == "signed":
                numbers -= np.where(raw[:, 0] & _SIGN != 0, 256.0 ** raw.shape[1], 0.0)
    return np.asarray(numbers, np.float64)
