"""The six questions, their targets, and how a store is timed: only while its answers are right."""

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bench import _history_record as truth
from bench._history_record import DAY_MS, METER, Answer, Record
from bench._history_store import Store
from contract.frame import Frame

_VARIANTS = 8
"""Every question is asked for so many signals or times in turn; all were asked once before, so what
is timed is the answer of a warm store."""
_LEAST, _MOST, _BUDGET_S = 20, 100, 2.5
_NEAR = 1e-9
"""Relative difference that summing in another order may make."""


class WrongAnswerError(Exception):
    """A store gave something else than what was put into it."""

    def __init__(self, store: str, question: str, detail: str) -> None:
        super().__init__(
            f"{store} answers {question} wrongly: {detail}; no figure is shown for a wrong answer"
        )


@dataclass(frozen=True)
class Case:
    """One question to a store, and its true answer."""

    ask: Callable[[Store], Answer]
    answer: Answer


@dataclass(frozen=True)
class Question:
    """A row of the table: its name, its target in ms (p95), and cases to go through."""

    row: str
    target_ms: float
    cases: list[Case]


def questions(
    record: Record, batch: Sequence[Frame], *, from_the_start: bool = False
) -> list[Question]:
    """Return the questions for a record and for the last batch.

    The year is the last of the quarter hours, or the first.
    """
    pcs, day = record.seconds[0], (record.start_ms, record.end_ms)
    meter = next(frame for frame in record.quarters if frame.device == METER)
    length_ms = min(365 * DAY_MS, meter.end_ms - meter.t0_ms)
    first_ms = meter.t0_ms if from_the_start else meter.end_ms - length_ms
    year = (first_ms, first_ms + length_ms)
    meter_signals = [column.signal.name for column in meter.layout.columns]
    newest = Case(lambda store: store.last_all(), truth.newest(batch))
    return [
        Question("last_all", 10, [newest]),
        Question("day_raw", 10, [_series("seconds", pcs, s, day) for s in _some(record)]),
        Question("day_15min", 10, [_buckets(pcs, s, day) for s in _some(record)]),
        Question(
            "year_15min",
            10,
            [_series("quarters", meter, s, year) for s in meter_signals[:_VARIANTS]],
        ),
        Question("daily_energy", 10, [_energy(meter, year)]),
        Question("cell_map", 20, [_cells(record, at_ms) for at_ms in _moments(record)]),
    ]


def _some(record: Record) -> tuple[str, ...]:
    return record.asked_signals[:_VARIANTS]


def _moments(record: Record) -> list[int]:
    """Random milliseconds of the recorded day."""
    rng = np.random.default_rng(3)
    return [int(at) for at in rng.integers(record.start_ms, record.end_ms, _VARIANTS)]


def _series(table: str, frame: Frame, signal: str, span: tuple[int, int]) -> Case:
    return Case(
        lambda store: store.series(table, frame.device, signal, span),
        truth.series(frame, signal, *span),
    )


def _buckets(frame: Frame, signal: str, span: tuple[int, int]) -> Case:
    return Case(
        lambda store: store.buckets(frame.device, signal, span),
        truth.buckets(frame, signal, *span),
    )


def _energy(frame: Frame, span: tuple[int, int]) -> Case:
    return Case(
        lambda store: store.daily_energy(frame.device, span), truth.daily_energy(frame, *span)
    )


def _cells(record: Record, at_ms: int) -> Case:
    return Case(lambda store: store.cells_at(at_ms), truth.cells_at(record.cells, at_ms))


def p95_ms(store: Store, question: Question) -> float:
    """Check every case once, then time them in turn; milliseconds, 95th percentile.

    Raises:
        WrongAnswerError: an answer is not the true one.
    """
    for case in question.cases:
        _require_equal(store.name, question.row, case.ask(store), case.answer)
    times: list[float] = []
    gc.collect()
    deadline = time.perf_counter() + _BUDGET_S
    while len(times) < _LEAST or (len(times) < _MOST and time.perf_counter() < deadline):
        case = question.cases[len(times) % len(question.cases)]
        began = time.perf_counter()
        case.ask(store)
        times.append(time.perf_counter() - began)
    return float(np.quantile(times, 0.95)) * 1e3


def _require_equal(store: str, question: str, found: Answer, right: Answer) -> None:
    for number, (one, other) in enumerate(zip(found, right, strict=True)):
        if one.shape != other.shape:
            detail = f"array {number} has the shape {one.shape}, right is {other.shape}"
            raise WrongAnswerError(store, question, detail)
        wrong = ~np.isclose(one, other, rtol=_NEAR, atol=_NEAR)
        if wrong.any():
            where = int(np.flatnonzero(wrong)[0])
            detail = (
                f"{int(wrong.sum())} of {one.size} values of array {number} differ, the first is "
                f"{one.flat[where]!r} and should be {other.flat[where]!r}"
            )
            raise WrongAnswerError(store, question, detail)
