"""Writes the fuzz corpus: `python -m tests.contract.make_corpus`.

valid-*.bin are frames as version 1 writes them and must be readable for ever, with the content
of `valid_frames`. Everything else must be refused. The bombs carry right checksums: only the
limits stand between them and the memory.
"""

import zlib
from pathlib import Path

import numpy as np
import zstandard

from contract import layouts
from contract.codec import wire
from contract.frame import Frame, encode_batch

CORPUS = Path(__file__).parent / "corpus"
T0_MS = 1_767_225_600_000


def valid_frames() -> dict[str, list[Frame]]:
    """The content of every valid-*.bin, from arithmetic alone."""

    def frame(device, layout, n, *, gap=False, jitter=False) -> Frame:
        row = np.arange(n)[:, None]
        values = []
        for index, column in enumerate(layout.columns):
            cell = np.arange(column.repeat)[None, :]
            raw = (row * 7 + cell * 13 + index) % 101 + (row * cell) % 3
            values.append(raw.astype(column.signal.dtype))
        quality = np.zeros((n, layout.width), dtype="u1")
        if gap:
            quality[n // 2] = 3
            quality[0, -1] = 2
        shift = ((np.arange(n) * 37) % 11 - 5).astype("i2") if jitter else None
        return Frame(device, layout, T0_MS, 1000, tuple(values), quality, shift)

    cells = layouts.cells_layout(40)
    return {
        "valid-single": [frame("METER", layouts.METER, 1)],
        "valid-cells": [frame("C1-R01", cells, 12)],
        "valid-gaps": [frame("C1-PCS", layouts.PCS, 9, gap=True, jitter=True)],
        "valid-batch": [
            frame("C1-R01", layouts.RACK, 2),
            frame("C1-R02", layouts.RACK, 2, gap=True),
            frame("C1-R01", cells, 2),
            frame("FIRE", layouts.FIRE, 3, jitter=True),
        ],
    }


def with_checksum(blob: bytes) -> bytes:
    """The bytes with a right CRC-32 in place of the last four."""
    return blob[:-4] + zlib.crc32(blob[:-4]).to_bytes(4, "little")


def container(directory: bytes, body: bytes, *, flags: int = 0, size: int | None = None) -> bytes:
    """A batch with any directory and body and a right checksum."""
    claimed = len(directory) if size is None else size
    head = bytes([1, flags]) + wire.varint(claimed) + wire.varint(len(directory))
    return with_checksum(head + directory + body + bytes(4))


def directory_of(n: int, entries: bytes, *, layout=layouts.FIRE, frames: int = 1) -> bytes:
    """A directory of frames of one group with `n` rows; `entries` describe quality and columns."""
    group = layout.hash8 + wire.varint(1000) + wire.varint(n) + b"\0"
    device = wire.varint(4) + b"FIRE"
    members = wire.varint(frames) + bytes(frames) + bytes(frames)
    times = wire.signed_varint(T0_MS) + b"\0" * (frames - 1)
    return b"\1" + group + b"\1" + device + members + times + entries


def zstd_claiming(size: int) -> bytes:
    """A zstd frame whose header claims `size` bytes and which holds almost nothing."""
    frame = zstandard.FRAME_HEADER + bytes([0b1110_0000]) + size.to_bytes(8, "little")
    return frame + b"\1\0\0"


def zeros(size: int) -> bytes:
    """`size` zero bytes, compressed: some thousand times smaller than what they become."""
    compressor = zstandard.ZstdCompressor(level=19).compressobj(size=size)
    parts = [compressor.compress(bytes(1 << 20)) for _ in range(size >> 20)]
    return b"".join([*parts, compressor.compress(bytes(size % (1 << 20))), compressor.flush()])


def bombs() -> dict[str, bytes]:
    """Small inputs that claim or become very much."""
    columns = b"\0" + b"\2\4\4" * 6
    nothing = wire.compress([b""], 3)
    return {
        "bomb-rows": container(directory_of(1 << 20, columns), nothing),
        "bomb-rows-beyond": container(directory_of(1 << 40, columns), nothing),
        "bomb-frames": container(directory_of(1 << 16, columns, frames=4096), nothing),
        "bomb-wide": container(
            directory_of(1 << 20, b"\0" + b"\3\4\4" * 2, layout=layouts.get("rack.cells/4096")),
            nothing,
        ),
        "bomb-directory-claims": container(zstd_claiming(1 << 40), nothing, flags=1, size=1 << 20),
        "bomb-directory-zeros": container(zeros(64 << 20), nothing, flags=1, size=1 << 20),
        "bomb-body-claims": container(directory_of(9, columns), zstd_claiming(1 << 40)),
        "bomb-body-zeros": container(directory_of(9, columns), zeros(256 << 20)),
        "bomb-body-unsized": container(
            directory_of(9, columns),
            zstandard.ZstdCompressor(write_content_size=False).compress(bytes(1 << 20)),
        ),
        "bomb-constant-years": container(
            directory_of(1 << 20, b"\0" + b"\2\0\0" * 6, frames=64), nothing
        ),
        "bomb-endless-number": with_checksum(b"\1\0" + b"\xff" * 64 + bytes(4)),
        "bomb-average-of-one-column": container(
            directory_of(1 << 20, b"\0" + b"\4\0\0" * 6), nothing
        ),
        "bomb-exceptions": container(
            directory_of(9, b"\0" + b"\2\x08\xff\xff\x03\4\4" * 6), nothing
        ),
    }


def broken() -> dict[str, bytes]:
    """Inputs that are wrong in one way each, with a right checksum where it is not the point."""
    blob = encode_batch(valid_frames()["valid-gaps"])
    middle = bytearray(blob)
    middle[len(blob) // 2] ^= 0x10
    nothing = wire.compress([b""], 3)
    return {
        "broken-empty": b"",
        "broken-one-byte": b"\1",
        "broken-truncated": blob[:-9],
        "broken-truncated-checked": with_checksum(blob[:-9]),
        "broken-flipped": bytes(middle),
        "broken-version": with_checksum(b"\7" + blob[1:]),
        "broken-flags": with_checksum(blob[:1] + b"\x82" + blob[2:]),
        "broken-no-frames": container(b"\0\0\0", nothing),
        "broken-quality-mode": container(directory_of(1, b"\x09" + b"\2\0\0" * 6), nothing),
        "broken-quality-value": container(
            directory_of(2, b"\1" + b"\2\0\0" * 6), wire.compress([b"\0\7"], 3)
        ),
        "broken-model": container(directory_of(1, b"\0" + b"\x40\0\0" * 6), nothing),
        "broken-packing": container(directory_of(1, b"\0" + b"\2\5\0" * 6), nothing),
        "broken-rest": container(directory_of(1, b"\0" + b"\2\0\0" * 7), nothing),
        "broken-time": container(directory_of(1, b"\0" + b"\2\0\0" * 6, frames=1)[:-19], nothing),
        "broken-layout": container(
            directory_of(1, b"\0" + b"\2\0\0" * 6).replace(layouts.FIRE.hash8, bytes(8)), nothing
        ),
    }


def main() -> None:
    """Write all files."""
    CORPUS.mkdir(exist_ok=True)
    valid = {name: encode_batch(frames) for name, frames in valid_frames().items()}
    for name, blob in (valid | bombs() | broken()).items():
        (CORPUS / f"{name}.bin").write_bytes(blob)


if __name__ == "__main__":
    main()
