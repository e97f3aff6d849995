"""Which blocks to ask a device for, so that few requests fetch many points.

Points near one another are read in one request; a few registers read for nothing cost less
than another round trip. A value of several registers is never split over two requests.
"""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from station.protocols.modbus.place import MAX_BITS, Place, Space
from station.protocols.modbus.point import Point
from station.protocols.modbus.polling import FixedBlock

if TYPE_CHECKING:
    from station.protocols.modbus.profile import Profile


@dataclass(frozen=True, order=True)
class Span:
    """A run of `count` addresses that may be cut only every `unit` addresses."""

    space: Space
    address: int
    count: int
    unit: int = 1


@dataclass(frozen=True)
class Block:
    """One request. Its registers land at `start` of the device's register vector."""

    space: Space
    address: int
    count: int
    start: int = 0


@dataclass(frozen=True)
class Plan:
    """All requests of a device in order, and where each address lands."""

    blocks: tuple[Block, ...]

    @property
    def size(self) -> int:
        """Length of the register vector that all blocks together fill."""
        return sum(block.count for block in self.blocks)

    def block_of(self, space: Space, address: int) -> int:
        """Return the number of the block that fetches an address.

        Raises:
            KeyError: no block does.
        """
        for number, block in enumerate(self.blocks):
            if block.space is space and block.address <= address < block.address + block.count:
                return number
        raise KeyError((space, address))

    def index(self, space: Space, address: int) -> int:
        """Return where an address lands in the register vector."""
        block = self.blocks[self.block_of(space, address)]
        return block.start + address - block.address


def spans_of(profile: "Profile", place: Place) -> list[Span]:
    """Return the address runs that one place needs, its scale factor included."""
    return [span for _, span in runs_of(profile, place)]


def runs_of(profile: "Profile", place: Place) -> list[tuple[Place, Span]]:
    """Return the same with the place that each belongs to: itself, or one that it names."""
    places: list[tuple[Place, Iterable[int]]] = [(place, (0,))]
    if isinstance(place, Point):
        places = [(place, place.offsets())]
        places += [(more, range(more.bit_width)) for more in place.also]
        if place.scale_factor is not None:
            places.append((place.scale_factor, place.factor_offsets()))
    return [
        (one, span)
        for one, offsets in places
        for span in _runs(profile.space_of(one), one.address, one.type.words, offsets)
    ]


def _runs(space: Space, address: int, words: int, offsets: Iterable[int]) -> list[Span]:
    """Join values that lie side by side, whatever order they are meant in."""
    runs: list[Span] = []
    for offset in sorted(set(offsets)):
        start = address + offset
        if runs and runs[-1].address + runs[-1].count == start:
            runs[-1] = Span(space, runs[-1].address, runs[-1].count + words, words)
        else:
            runs.append(Span(space, start, words, words))
    return runs


def coalesce(spans: Iterable[Span], *, max_gap: int, max_registers: int) -> list[Block]:
    """Return the requests that cover all spans, by space and address.

    Args:
        spans: the address runs that are needed; they may overlap.
        max_gap: most addresses read for nothing between two spans of one request.
        max_registers: most registers in one request; bits have the protocol's own bound.
    """
    blocks: list[Block] = []
    for span in sorted(_pieces(spans, max_registers)):
        limit = MAX_BITS if span.space.is_bit else max_registers
        end = span.address + span.count
        if blocks:
            last = blocks[-1]
            reach = max(end, last.address + last.count) - last.address
            near = span.address - (last.address + last.count) <= max_gap
            if last.space is span.space and near and reach <= limit:
                blocks[-1] = Block(last.space, last.address, reach)
                continue
        blocks.append(Block(span.space, span.address, span.count))
    return blocks


def _pieces(spans: Iterable[Span], max_registers: int) -> Iterable[Span]:
    """Cut spans that pass one request's limit, at whole values."""
    for span in spans:
        limit = MAX_BITS if span.space.is_bit else max_registers
        step = limit // span.unit * span.unit
        for start in range(0, span.count, step):
            count = min(step, span.count - start)
            yield Span(span.space, span.address + start, count, span.unit)


def in_block(block: FixedBlock, space: Space, span: Span) -> bool:
    """Whether a value of the span lies whole in a block of this space."""
    first = -(-max(0, block.address - span.address) // span.unit) * span.unit
    at = span.address + first
    return (
        span.space is space
        and first < span.count
        and at >= block.address
        and at + span.unit <= block.address + block.count
    )


def cut_by(block: FixedBlock, space: Space, spans: Iterable[Span]) -> list[int]:
    """Return the addresses of values that lie in a block of this space, and not whole."""
    end = block.address + block.count
    return [
        value
        for span in spans
        if span.space is space
        for value in range(span.address, span.address + span.count, span.unit)
        if value < block.address < value + span.unit or value < end < value + span.unit
    ]


def _divided(spans: Iterable[Span], fixed: Sequence[Block]) -> tuple[list[Block], list[Span]]:
    """Return the fixed blocks that hold values of the spans, and the spans that are left."""
    used: set[int] = set()
    left: list[Span] = []
    for span in spans:
        run = 0
        for at in range(0, span.count, span.unit):
            holder = _holder(fixed, span, span.address + at)
            if holder is None:
                run += span.unit
                continue
            used.add(holder)
            left += _run(span, at, run)
            run = 0
        left += _run(span, span.count, run)
    return [fixed[number] for number in sorted(used)], left


def _holder(fixed: Sequence[Block], span: Span, address: int) -> int | None:
    """Return the number of the block that holds the span's value at this address whole."""
    for number, block in enumerate(fixed):
        inside = block.address <= address <= block.address + block.count - span.unit
        if block.space is span.space and inside:
            return number
    return None


def _run(span: Span, end: int, count: int) -> list[Span]:
    """Return the part of a span that ends at an offset, if there is any."""
    if not count:
        return []
    return [Span(span.space, span.address + end - count, count, span.unit)]


def plan_for(profile: "Profile", names: Container[str] | None = None) -> Plan:
    """Return the requests of one whole reading; the block with the device time comes first.

    The other blocks keep the order of space and address, so that the block which ends a cell
    area is also the last that is asked of it.

    Args:
        profile: a checked profile.
        names: of the layouts to read; all of them when left out.
    """
    spans = [
        span
        for name, points in profile.layout_points().items()
        if names is None or name in names
        for point in points.values()
        for span in spans_of(profile, point)
    ]
    if profile.time is not None:
        spans += spans_of(profile, profile.time)
    for place in profile.expect:
        spans += spans_of(profile, place) if place.names_unit else ()
    limit = profile.polling.max_registers
    fixed = [Block(b.space or profile.space, b.address, b.count) for b in profile.blocks]
    used, left = _divided(spans, fixed)
    planned = coalesce(left, max_gap=profile.polling.max_gap, max_registers=limit)
    found = sorted([*used, *planned], key=lambda block: (block.space, block.address))
    if profile.time is not None:
        space, address = profile.space_of(profile.time), profile.time.address
        found.sort(key=lambda b: not (b.space is space and 0 <= address - b.address < b.count))
    placed, start = [], 0
    for block in found:
        placed.append(Block(block.space, block.address, block.count, start))
        start += block.count
    return Plan(tuple(placed))
