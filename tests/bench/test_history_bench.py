"""The benchmark of history on a small record: stores that need no server give the true answers."""

from dataclasses import replace

import numpy as np
import pytest

from bench._history_parquet import open_parquet
from bench._history_questions import WrongAnswerError, p95_ms, questions
from bench._history_record import BATCH_S, large_batch, make_record, values_in

LENGTH_S = 3_600
DAYS = 5


@pytest.fixture(scope="module")
def record():
    return make_record(LENGTH_S, DAYS)


@pytest.fixture(scope="module")
def batches(record):
    return [large_batch(record, number) for number in range(2)]


def test_the_same_record_is_generated_every_time(record):
    again = make_record(LENGTH_S, DAYS)

    assert again.seconds == record.seconds
    assert again.cells == record.cells
    assert again.quarters == record.quarters


def test_the_small_station_has_220_points_and_500_cells_and_the_large_one_17020_points(
    record, batches
):
    assert sum(frame.layout.width for frame in record.seconds) == 220
    assert sum(frame.layout.width for frame in record.cells) == 2 * 500
    assert values_in(batches[0]) == 17_020 * BATCH_S
    assert len({frame.device for frame in batches[0]}) == 434


def test_measured_values_are_noisy_and_states_rest(record):
    converter = record.seconds[0]

    power = converter.physical("active_power_kw")[:, 0]
    state = converter.physical("pcs_state")[:, 0]

    assert (np.diff(power) != 0).mean() > 0.5
    assert (np.diff(state) != 0).mean() < 0.01
    assert power.mean() < -900, "the day begins with a charge at full power"


def test_a_thinned_record_keeps_the_first_converter_and_all_cells_whole():
    whole = make_record(2 * LENGTH_S, DAYS)

    thin = whole.thinned()

    assert thin.seconds[0] == whole.seconds[0]
    assert thin.cells == whole.cells
    assert {frame.n for frame in thin.seconds[1:]} == {3_600}


def test_parquet_files_give_the_true_answer_to_every_question(record, batches):
    asked = questions(record, batches[-1])

    with open_parquet() as store:
        taken = store.ingest(batches)
        store.load(record)
        timed = [p95_ms(store, question) for question in asked]
        size = store.bytes_per_value()

    assert len(taken) == len(batches)
    assert all(each > 0 for each in (*taken, *timed, *size))
    assert [question.row for question in asked] == [
        "last_all",
        "day_raw",
        "day_15min",
        "year_15min",
        "daily_energy",
        "cell_map",
    ]


def test_a_store_that_holds_another_value_gets_no_figure(record, batches):
    first = record.seconds[0]
    altered = tuple(column.copy() for column in first.values)
    altered[0][LENGTH_S // 2] += 1
    other = replace(record, seconds=[replace(first, values=altered), *record.seconds[1:]])
    day_raw = next(q for q in questions(record, batches[-1]) if q.row == "day_raw")

    with open_parquet() as store:
        store.ingest(batches)
        store.load(other)
        with pytest.raises(WrongAnswerError, match="1 of 3600 values of array 1 differ"):
            p95_ms(store, day_raw)
