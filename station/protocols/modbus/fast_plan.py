"""The one request of a fast lane, compiled from a profile's ``[fast]`` section."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from contract.frame import Quality
from contract.layouts import Layout
from station.protocols.errors import ProfileError
from station.protocols.modbus.decode import Indices, LayoutDecoder, Registers, gather, indices
from station.protocols.modbus.plan import Block, Plan, Span, coalesce, spans_of
from station.protocols.modbus.point import Expectation
from station.protocols.modbus.profile import DeviceTime, Fast, Point, Profile


@dataclass(frozen=True)
class FastPlan:
    """What a fast lane asks and how it reads the answer.

    Attributes:
        period_s: the grid.
        block: the one request.
        layout: to which the signals belong.
        decoder: for the registers of the request.
        places: signal, column, position in the row and scale of each.
        clock: where the device's time lies in the registers, if it does.
        identity: what holds the device's unit id, and where it lies in the registers.
    """

    period_s: float
    block: Block
    layout: Layout
    decoder: LayoutDecoder
    places: tuple[tuple[str, int, int, float], ...]
    clock: tuple[DeviceTime, Indices] | None
    identity: tuple[tuple[Expectation, Indices], ...]

    def values(self, registers: Registers) -> dict[str, float]:
        """Return each signal in its own unit, NaN where it is invalid or not plausible."""
        columns, quality = self.decoder.decode(registers)
        return {
            signal: float(columns[column][0]) * scale if quality[at] == Quality.GOOD else math.nan
            for signal, column, at, scale in self.places
        }

    def time_ms(self, registers: Registers) -> int | None:
        """Return the device's time, None where the request does not bring it or it is unset."""
        if self.clock is None:
            return None
        place, index = self.clock
        raw = int(gather(registers, index, place.type, place.byte_order)[0])
        if raw == 0 or raw in place.markers:
            return None
        return raw * 1000 if place.unit == "s" else raw


def compile_fast(file: str, profile: Profile) -> FastPlan | None:
    """Return the plan of a profile's fast lane, None when it has none.

    What tells the device's unit id is seen in every reading, its clock where it fits into the
    request.

    Raises:
        ProfileError: a signal is unknown or an array, or one request cannot bring them all and
            the unit id.
    """
    if profile.fast is None:
        return None
    name, points = _points(file, profile, profile.fast)
    spans = [span for point in points.values() for span in spans_of(profile, point)]
    blocks = _blocks(profile, spans)
    if len(blocks) > 1:
        raise ProfileError(
            file, "fast.signals", "lie too far apart for one request",
            f"leave some out: they must fit into {profile.polling.max_registers} registers",
        )  # fmt: skip
    naming = [place for place in profile.expect if place.names_unit]
    spans += [span for place in naming for span in spans_of(profile, place)]
    blocks = _blocks(profile, spans)
    if len(blocks) > 1:
        raise ProfileError(
            file, "fast.signals", f"lie too far from the unit id ({naming[0].meaning}) for one "
            "request, which must bring both",
            "leave some out, or leave out [fast]",
        )  # fmt: skip
    clock = None
    if profile.time is not None:
        together = _blocks(profile, [*spans, *spans_of(profile, profile.time)])
        if len(together) == 1:
            blocks, clock = together, profile.time
    plan = Plan(tuple(blocks))
    decoder = LayoutDecoder(profile, plan, name, points)
    layout = decoder.layout
    return FastPlan(
        period_s=profile.fast.period_s,
        block=blocks[0],
        layout=layout,
        decoder=decoder,
        places=tuple(
            (signal, layout.column(signal), layout.offset(signal)[0], layout.signal(signal).scale)
            for signal in points
        ),
        clock=None if clock is None else (clock, indices(plan, profile, clock)),
        identity=tuple((place, indices(plan, profile, place)) for place in naming),
    )


def _points(file: str, profile: Profile, fast: Fast) -> tuple[str, Mapping[str, Point]]:
    """Return the layout that has all the signals, and their points."""
    filled = profile.layout_points()
    for name, points in filled.items():
        if set(fast.signals) <= set(points):
            wanted = {signal: points[signal] for signal in fast.signals}
            arrays = [signal for signal, point in wanted.items() if point.count != 1]
            if arrays:
                raise ProfileError(
                    file, "fast.signals", f"{arrays[0]} is an array", "take single values"
                )
            return name, wanted
    known = "; ".join(f"{name}: {', '.join(points)}" for name, points in filled.items())
    raise ProfileError(
        file, "fast.signals", f"no layout of this profile has all of {', '.join(fast.signals)}",
        f"take some of one layout ({known})",
    )  # fmt: skip


def _blocks(profile: Profile, spans: list[Span]) -> list[Block]:
    """Join the spans as widely as one request reaches: the gaps cost less than a second one."""
    limit = profile.polling.max_registers
    return coalesce(spans, max_gap=limit, max_registers=limit)
