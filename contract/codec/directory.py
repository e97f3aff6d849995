"""The directory of a batch: which frames it holds, readable without their values.

Frames of one layout, step, length and with or without jitter form a group. Names and times are
kept column by column, because like stands beside like and compresses well.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from contract.codec import wire
from contract.codec.model import (
    MAX_DEVICE_BYTES,
    MAX_ROWS,
    MAX_STEP_MS,
    MAX_TIME_MS,
    Frame,
    FrameHeader,
    require_identity,
)
from contract.errors import FrameCorruptError, FrameTooLargeError
from contract.layouts import HASH_BYTES

MAX_FRAMES = 4096


@dataclass(frozen=True, slots=True)
class Group:
    """What frames have in common whose columns are coded together."""

    layout_hash: bytes
    step_ms: int
    n: int
    jitter: bool


@dataclass(frozen=True, slots=True)
class Directory:
    """The groups, and for every frame in its order the number of its group and its header."""

    groups: tuple[Group, ...]
    group_of: tuple[int, ...]
    headers: tuple[FrameHeader, ...]

    def members(self) -> list[list[int]]:
        """Return for every group the numbers of its frames."""
        found: list[list[int]] = [[] for _ in self.groups]
        for frame, group in enumerate(self.group_of):
            found[group].append(frame)
        return found


def of_frames(frames: Sequence[Frame]) -> Directory:
    """Return the directory of frames, groups in the order of their first frame."""
    if not 1 <= len(frames) <= MAX_FRAMES:
        msg = f"a batch holds 1..{MAX_FRAMES} frames, not {len(frames)}"
        raise FrameTooLargeError(msg)
    numbers: dict[Group, int] = {}
    group_of, headers = [], []
    for f in frames:
        group = Group(f.layout.hash8, f.step_ms, f.n, f.jitter_ms is not None)
        group_of.append(numbers.setdefault(group, len(numbers)))
        headers.append(FrameHeader(f.device, group.layout_hash, f.t0_ms, f.step_ms, f.n, 0))
    return Directory(tuple(numbers), tuple(group_of), tuple(headers))


def to_bytes(directory: Directory) -> bytes:
    """Return the wire form."""
    out = [wire.varint(len(directory.groups))]
    for group in directory.groups:
        out += [group.layout_hash, wire.varint(group.step_ms), wire.varint(group.n)]
        out.append(bytes([group.jitter]))
    devices = {h.device: 0 for h in directory.headers}
    out.append(wire.varint(len(devices)))
    for number, device in enumerate(devices):
        devices[device] = number
        raw = device.encode()
        out += [wire.varint(len(raw)), raw]
    out.append(wire.varint(len(directory.headers)))
    out += [wire.varint(g) for g in directory.group_of]
    out += [wire.varint(devices[h.device]) for h in directory.headers]
    before = 0
    for header in directory.headers:
        out.append(wire.signed_varint(header.t0_ms - before))
        before = header.t0_ms
    return b"".join(out)


def read(reader: wire.Reader, size: int) -> Directory:
    """Read the wire form; `size` is the batch's bytes, for the headers."""
    groups = tuple(_group(reader) for _ in range(reader.varint(MAX_FRAMES)))
    devices = [_device(reader) for _ in range(reader.varint(MAX_FRAMES))]
    count = reader.varint(MAX_FRAMES)
    if not (count and groups and devices):
        msg = "a batch without frames"
        raise FrameCorruptError(msg)
    group_of = tuple(reader.varint(len(groups) - 1) for _ in range(count))
    if len(set(group_of)) != len(groups):
        msg = "a group without frames"
        raise FrameCorruptError(msg)
    names = [devices[reader.varint(len(devices) - 1)] for _ in range(count)]
    headers, t0_ms = [], 0
    for name, number in zip(names, group_of, strict=True):
        group = groups[number]
        t0_ms += reader.signed_varint(MAX_TIME_MS)
        require_identity(name, t0_ms, group.step_ms, group.n)
        header = FrameHeader(name, group.layout_hash, t0_ms, group.step_ms, group.n, size)
        headers.append(header)
    return Directory(groups, group_of, tuple(headers))


def _group(reader: wire.Reader) -> Group:
    layout_hash = reader.take(HASH_BYTES)
    step_ms, n, jitter = reader.varint(MAX_STEP_MS), reader.varint(MAX_ROWS), reader.byte()
    if jitter > 1:
        msg = f"jitter flag {jitter} must be 0 or 1"
        raise FrameCorruptError(msg)
    return Group(layout_hash, step_ms, n, bool(jitter))


def _device(reader: wire.Reader) -> str:
    try:
        return reader.take(reader.varint(MAX_DEVICE_BYTES)).decode()
    except UnicodeDecodeError as error:
        msg = f"a device name is no UTF-8: {error}"
        raise FrameCorruptError(msg) from error
