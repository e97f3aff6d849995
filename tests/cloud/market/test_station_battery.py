import pytest

from cloud.market.station_battery import Plate, station_battery

PLATE = Plate(power_mw=3.45, energy_mwh=7.4, soc_min=0.05, soc_max=0.95)
TOLD = {
    "STATION:ece_charge": 0.95,
    "STATION:ece_discharge": 0.94,
    "STATION:discharge_power_15min_kw": 3_450.0,
    "STATION:charge_power_15min_kw": 3_000.0,
    "STATION:discharge_energy_1h_kwh": 2_820.0,
    "STATION:discharge_energy_4h_kwh": 2_820.0,
    "STATION:charge_energy_4h_kwh": 3_000.0,
    "STATION:dispatchable_confidence": 0.9,
    "STATION:soc": 0.5,
}


def test_what_is_sold_is_what_the_estimators_promise():
    found = station_battery(TOLD, "STATION", PLATE, 15.0)

    # 2,820 kWh at the meter are 3 MWh in the cells; 3,000 kWh taken are 2.85 MWh.
    battery = found.battery
    assert found.confidence == 0.9
    assert found.notes == ()
    assert battery.energy_mwh == pytest.approx(3.0 + 2.85)
    assert battery.soc == pytest.approx(3.0 / 5.85)
    assert (battery.discharge_mw, battery.charge_mw) == pytest.approx((3.45, 3.0))
    assert battery.wear_per_mwh == 15.0


def test_no_more_power_is_sold_than_stands_on_the_plate():
    proud = TOLD | {"STATION:discharge_power_15min_kw": 9_999.0}

    assert station_battery(proud, "STATION", PLATE, 15.0).battery.discharge_mw == 3.45


def test_a_station_that_promises_nothing_sells_by_its_plate_and_that_is_said():
    silent = dict.fromkeys(TOLD) | {"STATION:soc": 0.99}

    found = station_battery(silent, "STATION", PLATE, 15.0)

    assert found.confidence is None
    assert found.battery.energy_mwh == 7.4
    assert found.battery.soc == 0.95
    assert any("plate" in note for note in found.notes)
    assert any("efficiency" in note for note in found.notes)


def test_an_empty_battery_has_a_soc_of_zero():
    empty = TOLD | {name: 0.0 for name in TOLD if "discharge_energy" in name}

    assert station_battery(empty, "STATION", PLATE, 15.0).battery.soc == 0.0
