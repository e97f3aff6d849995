"""From a request to a plan: energy and capacity together, the best found within the time."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from cloud.market.forecast import Floats
from cloud.market.plans.elastic import add_wishes, broken
from cloud.market.plans.parts import (
    Board,
    EnergyColumns,
    Window,
    add_capacity,
    add_energy,
    add_side_markets,
)
from cloud.market.plans.plan import CapacityPlan, Plan
from cloud.market.plans.program import Program, Solution
from cloud.market.plans.request import PlanRequest
from cloud.market.plans.wishes import CycleBudget, Wish

# Charge less discharge leaves so much of a solver's rounding; a milliwatt is nothing.
_ROUNDING_MW: Final = 1e-9


def make_plan(request: PlanRequest) -> Plan:
    """Plan a day so that expected revenue less wear is greatest.

    The battery's own limits hold always; a wish that cannot be met is broken by as little as
    possible and named in the plan. The warranty's cycles (`battery.cycles_per_day`) are a wish
    of every plan.

    Raises:
        PlanFailed: no plan was found in `limit_s`.
        BadRequest: a wish names an interval or product that is not there.
    """
    began = time.monotonic()
    request = _with_warranty(request)
    program = Program()
    window = Window.of(request.battery, len(request.price), request.available)
    board = Board(program, request.battery, window, request.step_h)
    energy = add_energy(board, request.price, request.end_value, exclusive=bool(request.side))
    capacity = add_capacity(board, request.capacity, energy)
    side = add_side_markets(board, request.side, request.price, energy)
    slacks = add_wishes(board, request, energy, capacity)
    found = program.solve(request.limit_s)
    program.fix(found.values)
    priced = program.solve(request.limit_s)
    power = _power(energy, found)
    offers = {
        one.id: _offered(one.price, found.values[list(capacity[one.id])], request.step_h)
        for one in request.capacity
    }
    used = sum(
        one.used * float(offers[one.id].offered_mw.sum()) * request.step_h
        for one in request.capacity
    )
    discharged = float(found.values[list(energy.discharge)].sum()) * request.step_h
    side_mw = {name: _net(pairs, found) for name, pairs in side.items()}
    earned = _energy_money(request, power, side_mw)
    return Plan(
        power_mw=power,
        soc=_soc(request, energy, found),
        energy_value=_values(energy, priced),
        capacity=offers,
        side_mw=side_mw,
        revenue=earned + sum(one.earned for one in offers.values()),
        wear=request.battery.wear_per_mwh * (discharged + used),
        gap=found.gap,
        broken=broken(slacks, found.values),
        seconds=time.monotonic() - began,
    )


def _with_warranty(request: PlanRequest) -> PlanRequest:
    daily = request.battery.cycles_per_day
    if daily is None:
        return request
    days = len(request.price) * request.step_h / 24
    wishes: tuple[Wish, ...] = (*request.wishes, CycleBudget(daily * days))
    return replace(request, wishes=wishes)


def _power(energy: EnergyColumns, found: Solution) -> Floats:
    power: Floats = found.values[list(energy.discharge)] - found.values[list(energy.charge)]
    return np.where(np.abs(power) < _ROUNDING_MW, 0.0, power)


def _net(pairs: tuple[tuple[int, int], ...], found: Solution) -> Floats:
    sold, bought = zip(*pairs, strict=True)
    net: Floats = found.values[list(sold)] - found.values[list(bought)]
    return net


def _energy_money(request: PlanRequest, power: Floats, side_mw: Mapping[str, Floats]) -> float:
    spot = power @ request.price
    beside = sum(side_mw[one.id] @ (one.price - request.price) for one in request.side)
    return float(spot + beside) * request.step_h


def _soc(request: PlanRequest, energy: EnergyColumns, found: Solution) -> Floats:
    stored = found.values[list(energy.stored)]
    soc: Floats = request.battery.soc_min + stored / request.battery.energy_mwh
    return soc


def _values(energy: EnergyColumns, priced: Solution) -> Floats:
    """The dual of an interval's energy balance is what one more MWh in the cells is worth."""
    assert priced.row_duals is not None  # noqa: S101 - all whole-numbered columns are fixed
    value: Floats = priced.row_duals[list(energy.balance)]
    return value


def _offered(price: Floats, offered: Floats, step_h: float) -> CapacityPlan:
    return CapacityPlan(offered_mw=offered, earned=float(offered @ price) * step_h)
