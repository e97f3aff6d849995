import itertools
import math
from dataclasses import replace

import pytest

from contract import layouts
from contract.limits import LimitReason
from contract.words import Words
from station.alarms import AlarmBook, Condition, device_conditions, limit_condition, plain
from station.image import ProcessImage
from station.protection import Bound
from tests.station.plant_samples import sample
from tests.station.site import Plant, site_config

T0 = 1_795_000_000_000


def book() -> AlarmBook:
    numbers = itertools.count(1)
    return AlarmBook("test-station", lambda: f"e{next(numbers)}")


def fire(at_ms: int = T0) -> Condition:
    return Condition("fire.alarm", "FIRE", at_ms)


def test_a_condition_is_told_once_when_it_comes_and_once_when_it_is_gone():
    alarms = book()
    told = []

    for second in range(20):
        present = [fire(T0 + second * 1000)] if 2 <= second < 8 else []
        told += alarms.update(present, T0 + second * 1000)

    assert [(e.code, e.active, (e.at_ms - T0) // 1000) for e in told] == [
        ("fire.alarm", True, 2),
        ("fire.alarm", False, 7),
    ]


def test_what_comes_and_goes_every_other_second_is_one_alarm():
    alarms = book()
    told = []

    for second in range(20):
        present = [fire()] if second % 2 else []
        told += alarms.update(present, T0 + second * 1000)

    assert len(told) == 1


def test_the_same_code_of_two_devices_is_two_alarms():
    alarms = book()

    events = alarms.update([Condition("device.lost", t, T0) for t in ("A", "B")], T0)

    assert [e.device for e in events] == ["A", "B"]


def test_what_happened_once_clears_by_itself():
    alarms = book()
    alarms.raise_for(Condition("order.refused", "STATION", T0), T0 + 10_000)

    told = [e for s in range(30) for e in alarms.update([], T0 + s * 1000)]

    assert [e.active for e in told] == [True, False]


def test_an_event_carries_the_words_of_both_languages_and_the_detail():
    alarms = book()

    (event,) = alarms.update(
        [Condition("rack.alarm", "C1-R01", T0, "b", Words("cell overvoltage", "单体过压"), 3.7)], T0
    )

    assert event.text_en == "rack alarm (BMS): cell overvoltage"
    assert event.text_zh.endswith("单体过压")
    assert (event.value, event.station) == (3.7, "test-station")


@pytest.fixture
def plant(tmp_path) -> Plant:
    return Plant(site_config(tmp_path))


def codes(plant: Plant, now_ms: int = T0 + 500, disconnected=None) -> list[tuple[str, str]]:
    found = device_conditions(plant.image.freeze(now_ms, now_ms), disconnected or {})
    return [(c.code, c.device) for c in found]


def test_a_healthy_plant_has_nothing_to_tell(plant):
    plant.second(T0)

    assert codes(plant) == []


def test_alarm_bits_become_conditions_with_their_words(plant):
    plant.rack["C1-R01"] = {"rack_alarms": 0b101, "rack_warnings": 0b10}
    plant.pcs["C1-PCS"] = {"pcs_alarms": 0b1000_0001}
    plant.insulation_alarms = 1
    plant.fire_state = 1
    plant.second(T0)

    assert sorted(codes(plant)) == [
        ("fire.prealarm", "FIRE"),
        ("insulation.alarm", "C1-IMD"),
        ("pcs.alarm", "C1-PCS"),
        ("pcs.trip", "C1-PCS"),
        ("rack.alarm", "C1-R01"),
        ("rack.alarm", "C1-R01"),
        ("rack.warning", "C1-R01"),
    ]


def test_an_open_contactor_is_an_isolated_rack(plant):
    plant.rack["C1-R02"] = {"contactor_closed": 0}
    plant.second(T0)

    assert codes(plant) == [("rack.isolated", "C1-R02")]


def test_stale_data_are_told_unless_the_connection_itself_is_gone(plant):
    plant.second(T0)
    plant.image.set_connected("C1-PCS", connected=False)

    found = codes(plant, T0 + 7000, {"C1-PCS": "refused"})

    assert ("device.lost", "C1-PCS") in found
    assert ("device.stale", "C1-PCS") not in found
    assert ("device.stale", "C1-R01") in found


@pytest.mark.parametrize("skew_ms", [-15_000, 15_000])
def test_a_device_whose_clock_is_not_ours_is_told(plant, skew_ms):
    plant.second(T0)
    row = sample("FIRE", "fire", T0 + skew_ms)
    plant.image = ProcessImage({"fire": 10.0})
    plant.image.update(replace(row, received_ms=T0))

    assert ("clock.unsynchronised", "FIRE") in codes(plant)


NO_VALUE = dict.fromkeys((c.signal.name for c in layouts.RACK.columns), math.nan)


def test_a_rack_that_answers_without_any_value_is_told_once_its_last_one_is_old(plant):
    told = []
    for second in range(10):
        if second:
            plant.rack["C1-R01"] = NO_VALUE
        plant.second(T0 + second * 1000)
        told.append(codes(plant, T0 + second * 1000 + 500))

    assert told[:6] == [[]] * 6
    assert told[6:] == [[("device.stale", "C1-R01")]] * 4
    plant.rack["C1-R01"] = {}
    plant.second(T0 + 10_000)
    assert codes(plant, T0 + 10_500) == []


def test_a_device_without_values_is_one_alarm_in_both_languages_and_none_when_it_is_lost(plant):
    for second in range(70):
        plant.rack["C1-R01"] = NO_VALUE
        plant.second(T0 + second * 1000)
        cells = dict.fromkeys(("cell_voltage_v", "cell_temperature_c"), math.nan)
        plant.image.update(sample("C1-R01", "rack.cells/4", T0 + second * 1000, cells))

    image = plant.image.freeze(T0 + 69_500, T0 + 69_500)
    (found,) = device_conditions(image, {})
    (lost,) = device_conditions(image, {"C1-R01": "no answer"})

    assert found.detail.en == "rack, rack.cells/4, no valid value for 69 s"
    assert found.detail.zh == "电池簇、单体，已有 69 秒无有效值"
    assert lost.code == "device.lost"


def test_invalid_alarm_words_are_no_alarms(plant):
    plant.rack["C1-R01"] = {"rack_alarms": math.nan}
    plant.second(T0)

    assert codes(plant) == []


def test_a_limit_names_its_device_and_cell_but_rated_power_is_no_news():
    bound = Bound(120.0, LimitReason.CELL_VOLTAGE, "C1-R03", 17)

    (found,) = limit_condition("charge", bound, T0)

    assert (found.code, found.tag, found.value) == ("limit.charge", "CELL_VOLTAGE", 120.0)
    assert found.detail.en == "cell voltage (C1-R03, cell 17)"
    assert list(limit_condition("charge", Bound(1.0, LimitReason.NONE), T0)) == []


def test_a_limit_names_the_signals_that_a_rack_does_not_tell():
    missing = ("contactor_closed", "discharge_current_limit_a")
    bound = Bound(0.0, LimitReason.RACK_SIGNALS, "C1-R03", missing=missing)

    (found,) = limit_condition("discharge", bound, T0)

    named = "C1-R03{}contactor_closed, discharge_current_limit_a"
    assert found.detail.en.endswith(f"({named.format(': ')})")
    assert found.detail.zh.endswith(f"（{named.format('：')}）")


def test_technical_text_is_made_printable_and_short():
    assert plain("a\nb\x00" + "x" * 1000).en.isprintable()
    assert len(plain("x" * 1000).en) <= 300
    assert plain("").en
