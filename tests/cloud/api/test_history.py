import io

import pyarrow as pa

from tests.cloud.web.feeder import now_ms
from tests.cloud.web.plant import CELLS, WARM_CELL, WARM_RACK

STATION = "haibin-1"


def query(**change: object):
    asked = {
        "station": STATION,
        "signal": ["STATION:soc", f"{WARM_RACK}:cell_temperature_c:{WARM_CELL + 1}"],
        "from": now_ms() - 120_000,
        "to": now_ms(),
        "resolution": "raw",
    }
    return asked | change


async def test_many_signals_come_with_their_device_times_and_units(feeder, viewer):
    answer = (await viewer.get("/api/v1/series", params=query())).json()

    soc, cell = answer["series"]
    assert (soc["signal"], cell["unit"]) == ("STATION:soc", "°C")
    assert 60 <= len(soc["times_ms"]) <= 62
    assert all(b - a == 1000 for a, b in zip(soc["times_ms"], soc["times_ms"][1:], strict=False))
    assert all(34 < v < 38 for v in cell["values"])


async def test_the_same_series_comes_as_arrow(feeder, viewer):
    answer = await viewer.get("/api/v1/series", params=query(format="arrow"))

    table = pa.ipc.open_stream(io.BytesIO(answer.content)).read_all()

    assert answer.headers["content-type"] == "application/vnd.apache.arrow.stream"
    assert set(table.column("signal").to_pylist()) == set(query()["signal"])
    assert table.num_rows >= 120


async def test_a_wrong_query_is_refused_with_a_remedy(feeder, viewer):
    for change in (
        {"signal": "soc"},
        {"signal": "STATION:nothing_of_the_kind"},
        {"signal": []},
        {"resolution": "hourly"},
        {"from": "yesterday"},
    ):
        answer = await viewer.get("/api/v1/series", params=query(**change))
        assert answer.status_code in (404, 422), change
        assert answer.json()["remedy"]


async def test_every_cell_of_a_rack_is_shown_now_and_at_a_past_time(feeder, viewer):
    path = f"/api/v1/stations/{STATION}/cells/{WARM_RACK}"

    now = (await viewer.get(path)).json()
    past = (await viewer.get(path, params={"at": now["at_ms"] - 30_000})).json()

    for cells in (now, past):
        assert len(cells["voltage_v"]) == len(cells["temperature_c"]) == CELLS
        assert max(cells["temperature_c"]) == cells["temperature_c"][WARM_CELL]
    assert not now["stale"]
    assert past["at_ms"] <= now["at_ms"] - 30_000


async def test_what_is_estimated_of_every_cell_is_shown_now_and_at_a_past_time(feeder, viewer):
    path = f"/api/v1/stations/{STATION}/cells/{WARM_RACK}/estimates"

    now = (await viewer.get(path)).json()
    past = (await viewer.get(path, params={"at": now["at_ms"] - 10_000})).json()
    of_meter = await viewer.get(f"/api/v1/stations/{STATION}/cells/METER/estimates")

    for cells in (now, past):
        values = cells["values"]
        assert {len(of_all) for of_all in values.values()} == {CELLS}
        assert max(values["cell_anomaly_score"]) == values["cell_anomaly_score"][WARM_CELL]
        assert min(values["cell_soh"]) == values["cell_soh"][WARM_CELL]
        assert None not in values["cell_soc_half_width"]
    assert not now["stale"]
    assert past["at_ms"] == now["at_ms"] - 10_000
    assert of_meter.status_code == 404


async def test_stored_samples_and_the_ledger_are_counted(feeder, viewer):
    span = {"from": now_ms() - 120_000, "to": now_ms() + 1000}
    which = {"device": "C1-R01", "layout": "rack"}

    samples = await viewer.get(f"/api/v1/stations/{STATION}/samples", params=span | which)
    ledger = await viewer.get(f"/api/v1/stations/{STATION}/ledger", params=span)

    assert 61 <= len(samples.json()["times_ms"]) <= 62
    assert samples.json()["duplicated"] == 0
    assert ledger.json()["samples"] >= 61 * 49
    assert ledger.json()["wire_bytes"] > 0
