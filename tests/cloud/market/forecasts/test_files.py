from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from cloud.market.errors import BadSeries
from cloud.market.forecasts.files import Columns, parse_columns, read_history
from tests.cloud.market.forecasts.sample import COLUMNS, FILE

HOUR = np.timedelta64(1, "h")


def written(folder: Path, times: list[np.datetime64], **columns: list[object]) -> Path:
    file = folder / "prices.parquet"
    pq.write_table(pa.table({"time": pa.array(times, pa.timestamp("ms")), **columns}), file)
    return file


def test_the_sample_market_is_four_years_without_gaps_in_its_licensed_size():
    history, notes = read_history(FILE, parse_columns(COLUMNS))

    assert len(history.price) == 35064
    assert history.step_min == 60
    assert np.isfinite(history.price).all()
    assert set(history.exogenous) == {"load_forecast_mw", "renewables_forecast_mw"}
    assert notes == ("epf_de.parquet: times without a zone, taken as UTC",)
    assert FILE.stat().st_size < 600_000


def test_gaps_become_nothing_known_and_doubles_are_left_out(tmp_path: Path):
    start = np.datetime64("2020-01-01T00:00", "ms")
    file = written(tmp_path, [start, start + HOUR, start + HOUR, start + 4 * HOUR], p=[1, 2, 9, 3])

    history, notes = read_history(file, Columns("p"))

    assert np.nan_to_num(history.price, nan=-1).tolist() == [1, 2, -1, -1, 3]
    assert "prices.parquet: 1 rows with a time that is there already: left out" in notes
    assert "prices.parquet: 2 intervals missing" in notes


def test_the_map_names_roles_once_and_only_known_ones():
    read = parse_columns("price=rt, forecast=load,forecast=wind,settled=gas")

    assert read == Columns("rt", ("load", "wind"), ("gas",))
    for wrong in ("forecast=load", "price=a,price=b", "price", "weather=x"):
        with pytest.raises(BadSeries, match="columns: "):
            parse_columns(wrong)


def test_what_cannot_be_read_is_refused_with_its_name(tmp_path: Path):
    start = np.datetime64("2020-01-01T00:00", "ms")
    times = [start + hour * HOUR for hour in range(5)] + [start + np.timedelta64(330, "m")]
    off_grid = written(tmp_path, times, p=[1] * 6)

    with pytest.raises(BadSeries, match="off its grid"):
        read_history(off_grid, Columns("p"))
    with pytest.raises(BadSeries, match="no column 'q'; there are p"):
        read_history(off_grid, Columns("q"))
    with pytest.raises(BadSeries, match="absent"):
        read_history(tmp_path / "absent.parquet", Columns("p"))
    words = written(tmp_path, [start, start + HOUR], p=["a", "b"])
    with pytest.raises(BadSeries, match="holds no numbers"):
        read_history(words, Columns("p"))
