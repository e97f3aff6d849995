"""The engine with the shipped model, without a process around it."""

import math
from pathlib import Path

import numpy as np
import pytest

from station.estimation import GroupSetup, Setup
from station.estimation.engine import Engine
from station.estimation.keeping import Kept, KeptGroup, KeptStateError
from station.estimators.anomaly.fuse import Kind
from tests.station.estimation.groups import group, kept, moment, setup_of
from tests.station.estimation.plant_site import BUNDLE

NOW_MS = 1_700_000_000_000
VOLTS = 16 * 3.27


def begun(tmp_path, *groups: GroupSetup) -> tuple[Engine, Setup]:
    setup = setup_of(tmp_path, *groups)
    engine = Engine(setup)
    assert engine.begin(moment(setup, NOW_MS), None) is not None
    return engine, setup


def test_a_cold_start_waits_for_the_soc_of_every_rack_but_not_for_ever(tmp_path):
    setup = setup_of(tmp_path)
    engine = Engine(setup)

    untold = moment(setup, NOW_MS, bms_soc=math.nan)
    assert engine.begin(untold, None) is None
    later = moment(setup, NOW_MS + 15_000, bms_soc=math.nan)
    began = engine.begin(later, None)

    assert began is not None
    assert began.how == "cold"


def test_a_kept_state_is_resumed_wider_by_the_time_away(tmp_path):
    setup = setup_of(tmp_path)
    widths = []
    for away_s in (0, 120):
        engine = Engine(setup)
        first = moment(setup, NOW_MS + 1000 * away_s, elapsed_s=0.0, cell_good=0)
        began = engine.begin(first, kept(group(), NOW_MS))
        assert (began.how, began.away_s) == ("resumed", away_s)
        widths.append(float(engine.take(first).racks["soc_half_width"].max()))

    assert widths[1] > 1.5 * widths[0]


def test_a_state_of_other_racks_or_too_old_is_refused(tmp_path):
    setup = setup_of(tmp_path)
    first = moment(setup, NOW_MS)
    of_others = kept(group(("X", "Y")), NOW_MS)
    old = kept(group(), NOW_MS - 31 * 86_400_000)
    damaged = Kept(NOW_MS, (KeptGroup(group().racks, "m", b"nonsense"),))

    for state, why in ((of_others, "other racks"), (old, "days old"), (damaged, "state")):
        with pytest.raises(KeptStateError, match=why):
            Engine(setup).begin(first, state)


def test_racks_of_several_makes_are_told_in_the_order_of_the_setup(tmp_path):
    groups = group(("A",), 4), group(("B", "C"), 3, parallel=2)
    engine, setup = begun(tmp_path, *groups)

    made = engine.take(moment(setup, NOW_MS + 1000))

    assert made.racks["soc_estimate"].shape == (3,)
    assert made.cells["cell_soc"].shape == (10,)
    assert made.station["cells_estimated"] == 10
    assert np.isfinite(made.cells["cell_soc"]).all()


def test_a_second_model_runs_on_what_the_first_knows_and_can_take_its_place(tmp_path):
    engine, setup = begun(tmp_path)
    alone = engine.take(moment(setup, NOW_MS + 1000))
    engine.shadow(BUNDLE)
    beside = engine.take(moment(setup, NOW_MS + 2000))
    engine.promote()
    changed = engine.take(moment(setup, NOW_MS + 3000))
    engine.drop_shadow()
    last = engine.take(moment(setup, NOW_MS + 4000))

    assert alone.second is None
    assert beside.second is not None
    assert beside.second.version == beside.active.version == 1
    assert changed.second is not None
    assert last.second is None
    assert engine.shadow_error == ""


def test_a_second_model_that_cannot_be_loaded_is_told_and_harms_nobody(tmp_path):
    engine, setup = begun(tmp_path)
    engine.shadow(Path(tmp_path / "none"))

    made = engine.take(moment(setup, NOW_MS + 1000))

    assert "none" in engine.shadow_error
    assert made.second is None
    assert np.isfinite(made.cells["cell_soc"]).all()


def test_promotion_without_a_second_model_changes_nothing(tmp_path):
    engine, setup = begun(tmp_path)
    engine.promote()

    assert engine.take(moment(setup, NOW_MS + 1000)).active.version == 1


@pytest.mark.parametrize(("stacks", "racks_found"), [((0, 0, 0, 1, 1, 1), 0), ((), 6)])
def test_a_rack_is_compared_with_those_of_its_own_converter_alone(tmp_path, stacks, racks_found):
    tags = tuple(f"C{stack}-R0{number}" for stack in (1, 2) for number in (1, 2, 3))
    engine, setup = begun(tmp_path, group(tags, stacks=stacks))
    found = set()

    for second in range(34):
        now = moment(
            setup, NOW_MS + 1000 * (second + 1), current_a=0.0, rack_power_kw=0.0, voltage_v=VOLTS
        )
        if second < 18:  # at work together, so that it is known how racks share a current
            now.arrays["current_a"][:] = 40.0
            now.arrays["rack_power_kw"][:] = 40.0 * VOLTS / 1000
        if second in (23, 24):  # the first converter begins alone, as stations do that wake up
            now.arrays["current_a"][:3] = -40.0
        findings = engine.take(now).findings
        found |= {one.rack for one in findings if one.kind == Kind.CURRENT_PULSE}

    assert len(found) == racks_found
