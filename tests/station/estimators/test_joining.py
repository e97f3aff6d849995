"""Racks of a kept state among others: each takes its own rows with it, and nobody else's."""

from dataclasses import replace

import numpy as np
import pytest

from cell_lab.parameter_files import parameters_of
from station.estimators import (
    GoingOn,
    build_cell_model,
    joined,
    known_start,
    of_racks,
    start,
    state_from_bytes,
    state_to_bytes,
    tick,
)
from station.estimators.state_file import is_begun_anew, leaves
from tests.station.estimators.anomaly.made import detector
from tests.station.estimators.stations import facts_of, samples_at, settings_of

THEN = np.repeat(np.arange(7), [4, 3, 5, 2, 2, 2, 2])
NOW = np.repeat(np.arange(9), [5, 2, 4, 6, 3, 3, 2, 2, 2])
"""Racks of the state, and of the station: its first is the state's third, its third the first.
No axis but those of racks and cells is 7, 9, 20 or 29 long."""
RACKS, PLACES = np.array([2, 0]), np.array([0, 2])
CELLS_THEN = np.array([7, 8, 9, 10, 11, 0, 1, 2, 3])
CELLS_NOW = np.array([0, 1, 2, 3, 4, 7, 8, 9, 10])
TOLD = np.float32([0.4] * 5 + [0.9] * 2 + [0.4] * 4 + [np.nan] * 18)


@pytest.fixture(scope="module")
def settings():
    model = build_cell_model(parameters_of("esc26650"))
    return replace(settings_of(model, racks=1, cells=4), anomaly=detector())


def kept(settings, *, known: bool = True):
    """Racks that differ in every array, as a restart finds them."""
    ours = of_racks(settings, THEN)
    told = np.linspace(0.2, 0.8, len(THEN), dtype=np.float32)
    state = start(ours, told)
    if known:
        state = replace(state, soc=known_start(ours.model, ours.rack, 7, told, 0.01))
    for second in range(40):
        c_rate = np.float32([0.5, -0.3, 0.2, 0.1, 0.3, -0.1, 0.0])
        samples = samples_at(ours, second, c_rate=c_rate)
        state, _ = tick(ours, state, samples, facts_of(ours))
    return ours, state_from_bytes(ours, state_to_bytes(state))


def together(settings, theirs, state, *, soc_forgotten=False):
    ours = of_racks(settings, NOW)
    part = GoingOn(theirs, state, RACKS, PLACES)
    return ours, joined(ours, TOLD, [part], soc_forgotten=soc_forgotten)


def rows(value, size, numbers):
    """The rows of an array along the axis of a size."""
    return np.take(value, numbers, axis=value.shape.index(size))


def test_every_array_of_a_rack_that_goes_on_is_its_own_and_of_the_others_fresh(settings):
    theirs, before = kept(settings)
    ours, after = together(settings, theirs, before)
    fresh = dict(leaves(start(ours, TOLD)))
    then, now = dict(leaves(before)), dict(leaves(after))
    compared = set()

    for name in set(now) - {"soc.rack", "soc.settled.rack"}:
        if is_begun_anew(name) or name.startswith("held."):
            continue
        theirs_told, ours_told = then[name], now[name]
        for sizes, moved, others in (
            ((20, 29), (CELLS_THEN, CELLS_NOW), [5, 6, *range(11, 29)]),
            ((7, 9), (RACKS, PLACES), [1, *range(3, 9)]),
        ):
            if sizes[0] in theirs_told.shape and sizes[1] in ours_told.shape:
                own = rows(theirs_told, sizes[0], moved[0])
                np.testing.assert_array_equal(rows(ours_told, sizes[1], moved[1]), own, name)
                new = rows(fresh[name], sizes[1], others)
                np.testing.assert_array_equal(rows(ours_told, sizes[1], others), new, name)
                compared.add(name)

    assert {"capacity.one.net", "meter.net", "soc.settled.mean", "soc.trust.log_width"} <= compared
    assert {"anomaly.windows.points", "anomaly.findings.cell", "efficiency.ocv_v"} <= compared
    untouched = {name for name, value in now.items() if value.shape and name not in compared}
    assert all(is_begun_anew(each) or each.startswith(("held.", "soc.")) for each in untouched)
    assert after.soc.rack.tolist() == after.soc.settled.rack.tolist() == NOW.tolist()


def test_what_a_rack_is_told_after_it_moved_is_what_it_would_have_been_told(settings):
    theirs, before = kept(settings)
    ours, after = together(settings, theirs, before)
    samples = samples_at(ours, 40)
    volts = np.linspace(3.2, 3.3, len(THEN), dtype=np.float32)
    samples.voltage_v[CELLS_NOW] = volts[CELLS_THEN]

    of_then = replace(samples_at(theirs, 40), voltage_v=volts)
    _, expected = tick(theirs, replace(before, ticks=0), of_then, facts_of(theirs))
    _, found = tick(ours, replace(after, ticks=0), samples, facts_of(ours))

    for name in ("cell_soc", "cell_soc_half_width", "cell_soh", "cell_resistance_ratio"):
        np.testing.assert_array_equal(
            found.cells[name][CELLS_NOW], expected.cells[name][CELLS_THEN]
        )
    for name in ("discharge_bound_cell", "soc_cell_min_index", "soc_half_width"):
        np.testing.assert_array_equal(found.racks[name][PLACES], expected.racks[name][RACKS])
    power_kw = expected.racks["discharge_power_1h_kw"][RACKS]
    assert found.racks["discharge_power_1h_kw"][PLACES] == pytest.approx(power_kw, rel=0.01)


def test_who_goes_on_is_searched_for_where_it_was_and_who_begins_where_it_is_told(settings):
    theirs, before = kept(settings, known=False)
    _, after = together(settings, theirs, before)

    assert after.soc.searching.all()
    owners = np.concatenate([portion.owner for portion in after.soc.search.portions])
    started = np.concatenate([portion.columns.soc for portion in after.soc.search.portions])
    weight = np.concatenate([portion.log_weight for portion in after.soc.search.portions])
    best = {cell: started[owners == cell][weight[owners == cell].argmax()] for cell in range(29)}
    mixtures = before.soc.settled.soc
    for then, now in zip(CELLS_THEN, CELLS_NOW, strict=True):
        assert best[int(now)] == pytest.approx(mixtures[then], abs=0.03)
    assert best[5] == pytest.approx(0.9, abs=0.03)
    assert not weight[owners == 16].any(), "any SOC, where none was told"


def test_after_so_long_that_soc_is_forgotten_only_the_newcomer_is_believed_its_told_one(settings):
    theirs, before = kept(settings, known=False)
    _, after = together(settings, theirs, before, soc_forgotten=True)

    (portion,) = after.soc.search.portions
    assert not portion.log_weight[portion.owner == 0].any()
    assert portion.log_weight[portion.owner == 5].any()
