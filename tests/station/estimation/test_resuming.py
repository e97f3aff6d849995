"""Racks come, go and change between two lives of the process; the others go on with their own."""

import math
from dataclasses import replace

import numpy as np
import pytest

from station.estimation import GroupSetup
from station.estimation.engine import Engine
from station.estimation.keeping import Kept, KeptGroup, KeptStateError
from station.estimators import state_to_bytes
from tests.station.estimation.groups import group, kept, moment, settled, setup_of

THEN_MS = 1_700_000_000_000
NOW_MS = THEN_MS + 10_000
SOC = {"A": 0.2, "B": 0.5, "C": 0.8}
SOH = {"A": 0.95, "B": 0.9, "C": 0.85}
TOLD = 0.65


def three(cells: int = 16) -> Kept:
    """Racks A, B and C, each of another SOC and SOH, which a model knows well."""
    of_three = group(tuple(SOC), cells)
    running = settled(of_three, np.repeat(np.float32(list(SOC.values())), cells))
    size = running.state.capacity
    lost = np.repeat(1 - np.float32(list(SOH.values())), cells).astype(np.float16)
    known = replace(size, lost=lost, sd=np.full(3 * cells, 0.01, np.float16))
    return kept(of_three, THEN_MS, replace(running, state=replace(running.state, capacity=known)))


def begun(tmp_path, state: Kept, *groups: GroupSetup):
    """What the racks know at their first moment, in which no voltage is told."""
    setup = setup_of(tmp_path, *groups)
    engine = Engine(setup)
    first = moment(setup, NOW_MS, elapsed_s=0.0, cell_good=0, bms_soc=TOLD)
    began = engine.begin(first, state)
    made = engine.take(first)
    tags = [tag for one in groups for tag in one.racks]
    names = ("soc_estimate", "soh_estimate", "soc_half_width")
    columns = (made.racks[name].tolist() for name in names)
    return began, dict(zip(tags, zip(*columns, strict=True), strict=True))


def goes_on(racks, *tags: str) -> None:
    for tag in tags:
        soc, soh, width = racks[tag]
        assert soc == pytest.approx(SOC[tag], abs=0.005), tag
        assert soh == pytest.approx(SOH[tag], abs=0.002), tag
        assert width < 0.03, tag


def begins(racks, *tags: str) -> None:
    for tag in tags:
        soc, soh, width = racks[tag]
        assert soc == pytest.approx(TOLD, abs=0.03), tag
        assert soh == pytest.approx(1.0), tag
        assert width > 0.1, tag


def test_a_rack_that_is_added_in_the_middle_begins_and_the_others_go_on(tmp_path):
    began, racks = begun(tmp_path, three(), group(("A", "X", "B", "C")))

    assert (began.how, began.away_s, began.resumed, began.cold) == ("resumed", 10, 3, ("X",))
    goes_on(racks, "A", "B", "C")
    begins(racks, "X")


def test_a_rack_that_is_removed_takes_no_other_with_it(tmp_path):
    began, racks = begun(tmp_path, three(), group(("A", "C")))

    assert (began.resumed, began.cold) == (2, ())
    goes_on(racks, "A", "C")


def test_a_rack_with_another_number_of_cells_begins_and_its_neighbours_stay_themselves(tmp_path):
    changed = group(("A", "B", "C"), cells=16)
    began, racks = begun(tmp_path, three(), replace(changed, cells=(16, 12, 16)))

    assert (began.resumed, began.cold) == (2, ("B",))
    goes_on(racks, "A", "C")
    begins(racks, "B")


def test_a_rack_that_is_renamed_begins_under_its_new_name(tmp_path):
    began, racks = begun(tmp_path, three(), group(("A", "B2", "C")))

    assert began.cold == ("B2",)
    goes_on(racks, "A", "C")
    begins(racks, "B2")


def test_racks_go_on_in_another_order_and_in_other_groups_of_their_make(tmp_path):
    began, racks = begun(tmp_path, three(), group(("C", "X")), group(("B", "A")))

    assert (began.resumed, began.cold) == (3, ("X",))
    goes_on(racks, "A", "B", "C")
    begins(racks, "X")


def test_racks_of_two_groups_go_on_in_one(tmp_path):
    one, other = three(), kept(group(("D",)), THEN_MS, settled(group(("D",)), 0.35))

    both = Kept(THEN_MS, (*other.groups, *one.groups))
    began, racks = begun(tmp_path, both, group(("D", "C", "A")))

    assert (began.resumed, began.cold) == (3, ())
    goes_on(racks, "A", "C")
    assert racks["D"][0] == pytest.approx(0.35, abs=0.005)


def test_a_state_that_is_damaged_costs_its_own_racks_theirs_and_no_others(tmp_path):
    state = Kept(THEN_MS, (*three().groups, KeptGroup(("D",), "m", b"nonsense")))
    began, racks = begun(tmp_path, state, group(("A", "B", "C")), group(("D",)))

    assert (began.resumed, began.cold) == (3, ("D",))
    assert "cut off" in began.reason
    goes_on(racks, "A", "B", "C")
    begins(racks, "D")


def test_a_state_of_another_make_is_not_bent_to_fit(tmp_path):
    of_three = group(tuple(SOC))
    running = settled(of_three)
    blob = state_to_bytes(replace(running.state, make="another"))
    state = Kept(THEN_MS, (KeptGroup(of_three.racks, "m", blob),))

    with pytest.raises(KeptStateError, match="make another"):
        begun(tmp_path, state, group(("A", "X", "B", "C")))


def test_only_the_newcomers_bms_is_waited_for_and_not_for_ever(tmp_path):
    setup = setup_of(tmp_path, group(("A", "X")))
    engine, state = Engine(setup), three()
    first = moment(setup, NOW_MS, bms_soc=math.nan)

    assert engine.begin(first, state) is None
    first.arrays["bms_soc"][1] = TOLD
    began = engine.begin(replace(first, at_ms=NOW_MS + 2000), state)

    assert (began.how, began.away_s, began.resumed, began.cold) == ("resumed", 12, 1, ("X",))
