"""A position taken a day ahead and corrected in real time, over many possible days at once.

Two settlements: the position is paid the day-ahead price, what the battery then does differently
is paid (or pays) the real-time price. The mean of the worst days is held above a floor by the
linear form of CVaR (Rockafellar and Uryasev 2000, Optimization of conditional value-at-risk).
"""

import time
from dataclasses import dataclass

import numpy as np

from cloud.market.forecast import Floats
from cloud.market.plans.parts import Board, EnergyColumns, Window, add_energy
from cloud.market.plans.program import INFINITY, Program
from cloud.market.plans.request import ScenarioRequest


@dataclass(frozen=True)
class PositionPlan:
    """A day-ahead position.

    Attributes:
        position_mw: sold (positive) or bought a day ahead, shape (positions,).
        revenue: of each scenario less wear, with the value left in the cells, shape (scenarios,).
        expected: their mean.
        cvar: mean loss of the worst scenarios; negative: even they earn.
        gap: how much better the best plan could be at the most, relative.
        seconds: spent.
    """

    position_mw: Floats
    revenue: Floats
    expected: float
    cvar: float
    gap: float
    seconds: float


def plan_position(request: ScenarioRequest) -> PositionPlan:
    """Choose the position whose expected revenue is greatest under the cap of CVaR.

    What is done in real time is planned for each scenario as if its prices were known, so the
    expected revenue is a bound from above; the position is what counts.

    Raises:
        PlanFailed: no plan was found in time, or even an idle battery breaks the cap.
    """
    began = time.monotonic()
    program = Program()
    position = _positions(program, request)
    courses = [_course(program, request, path) for path in request.real_time]
    if request.cvar_cap is not None:
        _cap(program, request, position, courses, request.cvar_cap)
    found = program.solve(request.limit_s)
    taken = found.values[position]
    revenue = np.array(
        [
            _revenue(request, taken, path, course, found.values)
            for path, course in zip(request.real_time, courses, strict=True)
        ]
    )
    return PositionPlan(
        position_mw=taken,
        revenue=revenue,
        expected=float(revenue.mean()),
        cvar=_cvar(revenue, request.cvar_level),
        gap=found.gap,
        seconds=time.monotonic() - began,
    )


def _positions(program: Program, request: ScenarioRequest) -> list[int]:
    gains = (request.day_ahead - request.real_time.mean(axis=0)) * request.step_h
    return [
        program.column(float(gain), request.battery.discharge_mw, lower=-request.battery.charge_mw)
        for gain in gains.reshape(-1, request.position_step).sum(axis=1)
    ]


def _course(program: Program, request: ScenarioRequest, path: Floats) -> EnergyColumns:
    window = Window.of(request.battery, len(path), None)
    board = Board(program, request.battery, window, request.step_h)
    return add_energy(board, path, request.end_value, weight=1.0 / len(request.real_time))


def _cap(
    program: Program,
    request: ScenarioRequest,
    position: list[int],
    courses: list[EnergyColumns],
    cap: float,
) -> None:
    """CVaR of the loss: threshold + mean excess / (1 - level), at most the cap."""
    share = 1.0 / (len(courses) * (1.0 - request.cvar_level))
    threshold = program.column(0.0, INFINITY, lower=-INFINITY)
    excess = []
    for path, course in zip(request.real_time, courses, strict=True):
        beyond = program.column(0.0, INFINITY)
        terms = _revenue_terms(request, position, path, course)
        program.row({**terms, threshold: 1.0, beyond: 1.0}, lower=0.0)
        excess.append(beyond)
    program.row({threshold: 1.0, **dict.fromkeys(excess, share)}, upper=cap)


def _revenue_terms(
    request: ScenarioRequest, position: list[int], path: Floats, course: EnergyColumns
) -> dict[int, float]:
    spread = ((request.day_ahead - path) * request.step_h).reshape(-1, request.position_step)
    terms = dict(zip(position, spread.sum(axis=1).tolist(), strict=True))
    sells = (path - request.battery.wear_per_mwh) * request.step_h
    terms.update(zip(course.discharge, sells.tolist(), strict=True))
    terms.update(zip(course.charge, (-path * request.step_h).tolist(), strict=True))
    terms[course.stored[-1]] = request.end_value
    return terms


def _revenue(
    request: ScenarioRequest, taken: Floats, path: Floats, course: EnergyColumns, values: Floats
) -> float:
    places = list(range(len(taken)))
    terms = _revenue_terms(request, [-1 - place for place in places], path, course)
    return float(
        sum(
            weight * (taken[-1 - column] if column < 0 else values[column])
            for column, weight in terms.items()
        )
    )


def _cvar(revenue: Floats, level: float) -> float:
    """Mean loss of the worst `1 - level` of equally likely scenarios."""
    worst = max(1, round(len(revenue) * (1.0 - level)))
    return float(-np.sort(revenue)[:worst].mean())
