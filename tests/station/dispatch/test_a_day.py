"""A day of a station with unbalanced batteries: the exact split against equal parts."""

import math
from dataclasses import replace

import pytest

from station.dispatch.split import LossCurve, SplitResult, SplitUnit, equal_split, split

RATED_KW, ENERGY_KWH, COUNT = 1000.0, 2000.0, 8
STEP_S = 300
SOC_LOW, SOC_HIGH = 0.05, 0.95
CURVE = LossCurve.of_rating(RATED_KW)
START = [0.50 + 0.02 * (number - (COUNT - 1) / 2) for number in range(COUNT)]


def wished_kw(second: float) -> float:
    """Charge and discharge in turn, three hours each, by about a third of the capacity."""
    hour = second / 3600
    return -math.sin(2 * math.pi * hour / 6) * 0.33 * RATED_KW * COUNT


def limited(soc: float, unit: SplitUnit) -> SplitUnit:
    return replace(
        unit,
        soc=soc,
        charge_kw=RATED_KW if soc < SOC_HIGH else 0.0,
        discharge_kw=RATED_KW if soc > SOC_LOW else 0.0,
    )


def day(divide) -> tuple[float, float, float]:
    """Return (loss in kWh, spread of SOC at the end, energy moved in kWh)."""
    socs = list(START)
    units = [SplitUnit(f"C{n}", RATED_KW, RATED_KW, CURVE) for n in range(COUNT)]
    loss_kwh = moved_kwh = 0.0
    for second in range(0, 86_400, STEP_S):
        units = [limited(soc, unit) for soc, unit in zip(socs, units, strict=True)]
        found: SplitResult = divide(wished_kw(second), units)
        loss_kwh += found.loss_kw * STEP_S / 3600
        moved_kwh += abs(found.power_kw) * STEP_S / 3600
        for number, unit in enumerate(units):
            kw = found.powers[unit.device]
            assert -unit.charge_kw - 1e-9 <= kw <= unit.discharge_kw + 1e-9
            dc_kw = kw + (CURVE.loss_kw(kw) if kw else 0.0)
            socs[number] -= dc_kw * STEP_S / 3600 / ENERGY_KWH
            units[number] = replace(unit, power_kw=kw, active=bool(kw))
    return loss_kwh, max(socs) - min(socs), moved_kwh


def test_the_exact_split_loses_less_and_ends_the_day_with_under_half_the_spread():
    equal_loss, equal_spread, equal_moved = day(equal_split)
    exact_loss, exact_spread, exact_moved = day(split)

    assert exact_moved == pytest.approx(equal_moved, rel=1e-6)
    assert exact_loss < 0.9 * equal_loss
    assert exact_spread < 0.5 * equal_spread
    assert exact_spread < 0.5 * (max(START) - min(START))
