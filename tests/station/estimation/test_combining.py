import math

from station.estimation.combining import combined

NMC = {"soc_estimate": 0.8, "discharge_energy_1h_kwh": 10.0, "anomaly_level": 0.0}
LFP = {"soc_estimate": 0.2, "discharge_energy_1h_kwh": 30.0, "anomaly_level": 2.0}


def test_one_make_speaks_for_the_station():
    assert combined([LFP], [1.0]) == LFP


def test_energies_add_up_states_are_the_worst_and_soc_is_weighted_by_capacity():
    row = combined([NMC, LFP], [100.0, 300.0])

    assert row["discharge_energy_1h_kwh"] == 40.0
    assert row["anomaly_level"] == 2.0
    assert math.isclose(row["soc_estimate"], 0.35)


def test_a_promise_of_which_a_part_is_not_known_is_not_known():
    row = combined([{**NMC, "discharge_energy_1h_kwh": math.nan}, LFP], [1.0, 1.0])

    assert math.isnan(row["discharge_energy_1h_kwh"])
    assert math.isnan(combined([{"soc_estimate": math.nan}] * 2, [1.0, 1.0])["soc_estimate"])


def test_what_binds_is_what_binds_most_of_the_capacity_and_not_the_highest_code():
    rows = [{"discharge_bound_by": reason} for reason in (9.0, 1.0, 1.0)]

    assert combined(rows, [100.0, 60.0, 60.0])["discharge_bound_by"] == 1.0
    assert combined(rows[:2], [100.0, 60.0])["discharge_bound_by"] == 9.0
