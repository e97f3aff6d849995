"""How a finding is told to people."""

from station.protection_alarms import verdict_conditions
from tests.station.protection.world import World


def test_a_finding_is_told_with_its_own_words_and_names_its_cell_once():
    world = World()
    world.run(3)
    world.rack("C1-R02", cell_voltage_max_v=3.70001)
    verdict = world.run(1)

    (told,) = verdict_conditions(verdict, world.now_ms)

    assert (told.code, told.device, told.tag) == ("protection.stop", "C1-R02", "cell_voltage_high")
    assert told.detail == verdict.findings[0].words
    assert told.detail.en.count("cell 7") == told.detail.zh.count("7 号单体") == 1
