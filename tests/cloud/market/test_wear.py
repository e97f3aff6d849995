import math
from dataclasses import replace
from pathlib import Path

import pytest

from cloud.market.errors import BadBattery
from cloud.market.wear import DEFAULT_WEAR, Use, price_of_wear, read_wear

RULE = read_wear()
USE = Use(years=1.0, full_cycles=400.0, soc=0.5, temperature_c=25.0, c_rate=0.5, depth=0.8)


def test_a_cycle_of_an_lfp_battery_costs_what_its_warranty_says():
    price = price_of_wear(RULE, USE, energy_mwh=10.0, discharge_efficiency=0.95)

    assert price.bound_by == "warranty"
    assert price.per_mwh == pytest.approx(90_000 / 6_000 / 0.95)


def test_a_cell_that_ages_faster_than_its_warranty_costs_what_it_loses():
    generous = RULE.model_copy(update={"warranted_cycles": 100_000.0})

    price = price_of_wear(generous, USE, 10.0, 0.95)

    # (0.063 x 0.5 + 0.0971)(4.0253 x 0.2^3 + 1.0923) / 100 = 0.14460 %, over 2 sqrt(400) = 40.
    per_cycle = 0.0014460 / 40
    assert price.bound_by == "ageing"
    assert price.per_mwh == pytest.approx(90_000 * per_cycle / 0.3 / 0.95, rel=1e-3)


def test_standing_costs_more_when_hot_and_full_and_less_with_age():
    base = price_of_wear(RULE, USE, 10.0, 0.95).per_day

    # 1.2571e-5 x 0.60225 / (2 sqrt(31,557,600 s)) x 86,400 s of a battery of 900,000 over 0.3.
    assert base == pytest.approx(
        1.2571e-5 * 0.60225 / (2 * math.sqrt(31_557_600)) * 86_400 * 900_000 / 0.3
    )
    assert price_of_wear(RULE, replace(USE, temperature_c=40.0), 10.0, 0.95).per_day > base
    assert price_of_wear(RULE, replace(USE, soc=0.95), 10.0, 0.95).per_day > base
    assert price_of_wear(RULE, replace(USE, years=4.0), 10.0, 0.95).per_day == pytest.approx(
        base / 2
    )


def test_the_warranty_is_used_up_evenly():
    assert RULE.cycles_per_day == pytest.approx(6_000 / 15 / 365.25)


def test_a_wrong_file_is_refused_by_file_and_key(tmp_path: Path):
    file = tmp_path / "wear.toml"
    file.write_text(DEFAULT_WEAR.read_text().replace("= 0.7 ", "= 1.7 "), "utf-8")

    with pytest.raises(BadBattery, match=r"wear.toml: end_of_life_soh"):
        read_wear(file)
    with pytest.raises(BadBattery, match="name a readable"):
        read_wear(tmp_path / "none.toml")
