"""Bytes with limits: numbers of variable length, and compression that cannot run away.

Whoever reads bytes from outside states first how many bytes or how large a number it accepts;
the size is checked before memory is taken.
"""

from collections.abc import Sequence
from itertools import accumulate

import zstandard

from contract.errors import FrameCorruptError

_MAX_VARINT_BYTES = 9
_BLOCK_MIN_BYTES = 1024
"""A section of at least this size gets its own entropy table; smaller ones share one."""
_ZSTD_WINDOW_LOG = 23
_SHORT = tuple(bytes([number]) for number in range(0x80))


def varint(number: int) -> bytes:
    """Return an integer >= 0 in groups of 7 bits, lowest first (LEB128)."""
    if number < len(_SHORT):
        return _SHORT[number]
    out = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits of payload
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def signed_varint(number: int) -> bytes:
    """Return an integer as zigzag varint, so that small negative numbers stay short."""
    return varint(number << 1 if number >= 0 else (-number << 1) - 1)


class Reader:
    """Reads a buffer from the front; FrameCorruptError instead of any step past its end."""

    def __init__(self, data: bytes | memoryview) -> None:
        """Start at the first byte."""
        self._data = memoryview(data)
        self._size = len(data)
        self._at = 0

    @property
    def left(self) -> int:
        """Number of bytes not read yet."""
        return self._size - self._at

    def take(self, count: int) -> bytes:
        """Return the next `count` bytes."""
        self.skip(count)
        return bytes(self._data[self._at - count : self._at])

    def skip(self, count: int) -> None:
        """Pass over the next `count` bytes."""
        if count > self._size - self._at:
            msg = f"truncated: {count} bytes wanted at byte {self._at}, {self.left} left"
            raise FrameCorruptError(msg)
        self._at += count

    def byte(self) -> int:
        """Return the next byte."""
        at = self._at
        if at >= self._size:
            self.skip(1)
        self._at = at + 1
        return self._data[at]

    def varint(self, most: int) -> int:
        """Return the next varint, at most `most`."""
        number = shift = 0
        for _ in range(_MAX_VARINT_BYTES):
            byte = self.byte()
            number |= (byte & 0x7F) << shift
            if byte < 0x80:  # noqa: PLR2004 - the last group has no continuation bit
                break
            shift += 7
        else:
            msg = f"a number at byte {self._at} is too long"
            raise FrameCorruptError(msg)
        if number > most:
            msg = f"number {number} at byte {self._at} is over its limit of {most}"
            raise FrameCorruptError(msg)
        return number

    def varints(self, count: int, most: int) -> list[int]:
        """Return the next `count` varints, each at most `most`."""
        numbers = []
        for _ in range(count):
            at = self._at
            byte = self._data[at] if at < self._size else 0x80
            if byte < 0x80:  # noqa: PLR2004 - one group, as most are
                self._at = at + 1
                numbers.append(byte)
            else:
                numbers.append(self.varint(most))
        return numbers

    def pick(self, sizes: Sequence[int], wanted: Sequence[int]) -> list[bytes]:
        """Pass over neighbouring parts of these sizes; return those wanted, by ascending index."""
        ends = list(accumulate(sizes, initial=0))
        self.skip(ends[-1])
        start = self._at - ends[-1]
        return [bytes(self._data[start + ends[k] : start + ends[k + 1]]) for k in wanted]

    def signed_varint(self, most: int) -> int:
        """Return the next zigzag varint, of magnitude at most `most`."""
        number = self.varint(2 * most + 1)
        return number >> 1 if not number & 1 else -((number + 1) >> 1)


def compress(sections: list[bytes], level: int) -> bytes:
    """Return one zstd frame over all sections, with its content size in the header.

    Large sections are closed as blocks of their own, because their bytes are distributed
    differently; the reader does not see these borders.
    """
    total = sum(len(s) for s in sections)
    stream = zstandard.ZstdCompressor(level=level, write_checksum=False).compressobj(size=total)
    out, open_bytes = [], 0
    for section in sections:
        large = len(section) >= _BLOCK_MIN_BYTES
        if large and open_bytes:
            out.append(stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))
            open_bytes = 0
        out.append(stream.compress(section))
        open_bytes += len(section)
        if large:
            out.append(stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))
            open_bytes = 0
    out.append(stream.flush(zstandard.COMPRESSOBJ_FLUSH_FINISH))
    return b"".join(out)


def decompress(data: bytes, size: int) -> bytes:
    """Return exactly `size` bytes out of one zstd frame; FrameCorruptError for anything else.

    The header of the zstd frame must claim exactly `size`, so the memory taken is known
    before it is taken, whatever the compressed bytes would expand to.
    """
    try:
        claimed = zstandard.frame_content_size(data)
        if claimed != size:
            msg = f"compressed part claims {claimed} bytes, its directory {size}"
            raise FrameCorruptError(msg)
        reader = zstandard.ZstdDecompressor(max_window_size=1 << _ZSTD_WINDOW_LOG)
        found = reader.decompress(data, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError as error:
        msg = f"compressed part is broken: {error}"
        raise FrameCorruptError(msg) from error
    if len(found) != size:
        msg = f"compressed part holds {len(found)} bytes, its directory says {size}"
        raise FrameCorruptError(msg)
    return bytes(found)
