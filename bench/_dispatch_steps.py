"""Frequency steps for a plant, and what its record says of the station's answers to them.

A step is shown at the meter's register when the plant notes it. It is answered when the set-points
that the converters have accepted move the station by the power asked for; the last converter that
has to change may accept later. The plant is the witness of both ends, so neither is taken at the
station.
"""

import math
import random
import sqlite3
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PER_S = 21
"""Steps of this plant in a second. The station reads 20 times a second, so plant and station
meet at every phase of one another, as they do where no clock is shared; at 20 a run would show
the one phase that its start happened to give."""
DEAD_BAND_HZ = 0.05
LATEST_MS = 2000
"""An answer that takes longer counts as none, and with this time."""
_LEAST_HZ, _MOST_HZ = 0.10, 0.25
"""Beyond the dead band."""
_LEAST_CHANGE_HZ = 0.10
_GAPS_S = (2.2, 3.2)
_BEFORE_TICK_S = 0.01
"""Times lie a little before a step of the plant, so that rounding cannot put them after it."""
_TURNED = 0.3
"""Part of a set-point's whole change by which it counts as the answer: more than what regulation
adds, less than any part of a step."""

_ENOUGH = 0.5
"""Part of the power asked for that must have come: limits and the schedule's own course may take
some of it."""
_FULL = 0.9
"""Part of the power asked for, or of what came in the end where that is less, by which a step
counts as answered: regulation and the schedule's course move set-points by a few kW at any time."""
_SETPOINT = "active_power_setpoint_w"
"""The converter's own name of the point, as the plant's record has it."""


@dataclass(frozen=True)
class Step:
    """From `at_s` the frequency lies `hz` off nominal, until the next step."""

    at_s: float
    hz: float


def steps(from_s: float, until_s: float, seed: int = 4) -> list[Step]:
    """Return irregular steps: there and back, or straight from one side to the other."""
    rng = random.Random(seed)
    found = [Step(from_s, 0.0)]
    while True:
        last = found[-1]
        at_s = last.at_s + rng.uniform(*_GAPS_S)
        if at_s > until_s:
            return found[1:]
        hz = _other(last.hz, rng)
        found.append(Step(math.ceil(at_s * PER_S) / PER_S - _BEFORE_TICK_S, round(hz, 3)))


def _other(hz: float, rng: random.Random) -> float:
    """Return another deviation, one that changes the answer by enough."""
    if hz and rng.random() < 0.5:
        return 0.0
    sign = -math.copysign(1.0, hz) if hz else rng.choice((-1.0, 1.0))
    return sign * (DEAD_BAND_HZ + rng.uniform(_LEAST_HZ, _MOST_HZ))


def write_scenario(path: Path, course: Sequence[Step]) -> None:
    """Write the steps as a scenario: each deviation ends where the next begins."""
    lines = ['name = "dispatch-steps"', 'description = "Frequency steps at irregular times."']
    for step, following in zip(course, [*course[1:], None], strict=True):
        if not step.hz:
            continue
        for_s = 3.0 if following is None else following.at_s - step.at_s - 2 * _BEFORE_TICK_S
        lines.append(
            f'\n[[events]]\nat_s = {step.at_s:.4f}\nkind = "grid_frequency"\n'
            f"value = {step.hz}\nfor_s = {for_s:.4f}"
        )
    path.write_text("\n".join(lines) + "\n")


@dataclass(frozen=True)
class Shown:
    """A step as the meter's register showed it: when (epoch ms), and what is asked for.

    Attributes:
        asked_kw: change of power that the droop asks for, discharge positive.
    """

    at_ms: int
    asked_kw: float


@dataclass(frozen=True)
class SetpointChange:
    """A set-point (kW) that a converter accepted, epoch milliseconds."""

    at_ms: int
    device: str
    kw: float


@dataclass(frozen=True)
class Answer:
    """A step and what came of it.

    Attributes:
        shown_ms: when the meter's register showed it.
        took_ms: until the power asked for had been accepted; None when it did not come in time.
        last_ms: until the last converter that had to change had accepted.
        changes: the set-points that were the answer.
    """

    shown_ms: int
    took_ms: int | None
    last_ms: int | None = None
    changes: tuple[SetpointChange, ...] = ()


def read_record(record: Path, kw_per_hz: float) -> tuple[list[Shown], list[SetpointChange]]:
    """Return the steps shown, and all set-points accepted, from a plant's record.

    Args:
        record: the file.
        kw_per_hz: of the station's droop.
    """
    with sqlite3.connect(f"file:{record}?mode=ro", uri=True) as database:
        moments = database.execute(
            "SELECT at_ms, what, value FROM moments WHERE what LIKE 'grid_frequency%'"
            " ORDER BY at_ms, rowid"
        ).fetchall()
        accepted = database.execute(
            "SELECT at_ms, device, value FROM commands"
            " WHERE result = 'accepted' AND point = ? ORDER BY at_ms",
            [_SETPOINT],
        ).fetchall()
    changes = [SetpointChange(at, device, watt / 1e3) for at, device, watt in accepted]
    return _shown(moments, kw_per_hz), changes


def _shown(moments: Sequence[tuple[int, str, float]], kw_per_hz: float) -> list[Shown]:
    """One deviation's end and the next one's beginning in one step of the plant are one step."""
    levels: list[tuple[int, float]] = []
    for at_ms, what, hz in moments:
        begun = 0.0 if what.endswith("ends") else hz
        if levels and at_ms - levels[-1][0] <= 1000 // PER_S:
            levels[-1] = levels[-1][0], levels[-1][1] + begun
        else:
            levels.append((at_ms, begun))
    before = [0.0, *(_beyond(hz) for _, hz in levels)]
    return [
        Shown(at_ms, (was - _beyond(hz)) * kw_per_hz)
        for (at_ms, hz), was in zip(levels, before, strict=False)
    ]


def _beyond(hz: float) -> float:
    return math.copysign(max(abs(hz) - DEAD_BAND_HZ, 0.0), hz)


def answers(shown: Sequence[Shown], accepted: Sequence[SetpointChange]) -> list[Answer]:
    """Return the answer to every step."""
    by_device: dict[str, list[SetpointChange]] = {}
    for change in accepted:
        by_device.setdefault(change.device, []).append(change)
    return [_answer(step, by_device) for step in shown]


def _answer(step: Shown, by_device: Mapping[str, Sequence[SetpointChange]]) -> Answer:
    """Every converter whose set-point has moved by the end of the time had to answer."""
    moves = [_move(changes, step.at_ms) for changes in by_device.values()]
    total_kw = math.fsum(kw for kw, _ in moves)
    if total_kw * step.asked_kw <= 0 or abs(total_kw) < _ENOUGH * abs(step.asked_kw):
        return Answer(step.at_ms, None)
    most_kw = max(abs(kw) for kw, _ in moves)
    found = []
    for kw, changes in moves:
        if abs(kw) >= _TURNED * most_kw:
            before_kw = changes[-1].kw - kw
            found.append(next(c for c in changes if (c.kw - before_kw) / kw >= _TURNED))
    full_kw = math.copysign(_FULL * min(abs(total_kw), abs(step.asked_kw)), total_kw)
    took_ms = _moved_by(full_kw, moves) - step.at_ms
    return Answer(step.at_ms, took_ms, max(c.at_ms for c in found) - step.at_ms, tuple(found))


def _moved_by(full_kw: float, moves: Sequence[tuple[float, Sequence[SetpointChange]]]) -> int:
    """Return when all set-points together had first moved by so much, epoch milliseconds."""
    at_kw = {changes[-1].device: changes[-1].kw - kw for kw, changes in moves if changes}
    still_kw = full_kw
    for change in sorted((c for _, changes in moves for c in changes), key=lambda c: c.at_ms):
        still_kw -= change.kw - at_kw[change.device]
        at_kw[change.device] = change.kw
        if still_kw * full_kw <= 0:
            return change.at_ms
    raise AssertionError("the last change makes the whole move")


def _move(
    changes: Sequence[SetpointChange], shown_ms: int
) -> tuple[float, Sequence[SetpointChange]]:
    """Return by how much a set-point moved in the time of an answer, kW, and in which steps."""
    times = [change.at_ms for change in changes]
    start, end = bisect_right(times, shown_ms), bisect_right(times, shown_ms + LATEST_MS)
    if start in {0, end}:
        return 0.0, ()
    return changes[end - 1].kw - changes[start - 1].kw, changes[start:end]
