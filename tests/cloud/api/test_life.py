import numpy as np

from cloud.history.blocks.backfill import backfill
from cloud.history.blocks.reading import FrameReader
from cloud.history.rollups.rebuild import rebuild
from contract import layouts
from tests.cloud.web.console import FACTS, midnight_ms
from tests.cloud.web.feeder import Feeder, now_ms
from tests.cloud.web.plant import CELLS, RACKS, WARM_CELL, WARM_RACK, Plant, frame_of

PATH = "/api/v1/stations/haibin-1/life"
DAY_MS = 86_400_000


async def test_every_rack_with_estimates_is_told_and_why_it_has_no_date_yet(feeder, viewer):
    answer = (await viewer.get(PATH)).json()

    assert [one["rack"] for one in answer["racks"]] == list(RACKS)
    assert all(one["retirement"] is None and one["days"] <= 1 for one in answer["racks"])
    assert {one["verdict"] for one in answer["racks"]} == {"unknown"}
    assert answer["rule_soh"] == 0.7
    assert "70 %" in answer["rule"]["en"]


async def test_a_rack_that_ages_is_given_a_range_of_dates_that_follows_the_rule(
    cloud, feeder, viewer
):
    services, edge = cloud.worker.services, cloud.worker.edge
    end_ms = (now_ms() - 120_000) // DAY_MS * DAY_MS  # before the minute that the feeder has told
    first_ms, quarters = end_ms - 100 * DAY_MS, 100 * 96
    # The line ends where the feeder's own day goes on.
    soh = 0.9552 + 0.04 * np.arange(quarters)[::-1] / (96 * 365.25)
    usual_ratio = np.full(quarters, 1.08)
    told = {"soh_estimate": soh, "soh_half_width": 0 * soh + 0.01, "resistance_ratio": usual_ratio}
    frame = frame_of("C1-R03", layouts.ESTIMATE, first_ms, 900_000, told)
    await backfill(services.pool, services.vault, edge.layouts, "haibin-1", [frame], mark=False)
    reader = FrameReader(services.pool, edge.epochs, services.vault, edge.layouts)
    await rebuild(services.pool, reader, "haibin-1", first_ms, end_ms)

    usual, strict = [
        next(
            one
            for one in (await viewer.get(PATH, params=params)).json()["racks"]
            if one["rack"] == "C1-R03"
        )
        for params in ({}, {"retired_at": 0.9})
    ]

    assert usual["per_year"] < 0
    assert abs(usual["per_year"] + 0.04) < 0.002
    ends = usual["retirement"]
    assert now_ms() < ends["earliest_ms"] < ends["expected_ms"] < ends["latest_ms"]
    assert strict["retirement"]["expected_ms"] < ends["expected_ms"]


async def test_a_rule_that_is_no_share_is_refused(feeder, viewer):
    assert (await viewer.get(PATH, params={"retired_at": 70})).status_code == 422


async def test_the_worst_cells_of_all_racks_are_told_by_the_figure_asked_for(feeder, viewer):
    path = "/api/v1/stations/haibin-1/worst-cells"
    for by in ("soh", "resistance", "soc", "anomaly"):
        answer = (await viewer.get(path, params={"by": by, "limit": 5})).json()

        first = answer["cells"][0]
        assert (first["rack"], first["cell"], first["stale"]) == (WARM_RACK, WARM_CELL + 1, False)
        assert first["stands_out"]
        assert answer["standing_out"] >= 1
        assert len(answer["cells"]) == 5
    assert (await viewer.get(path, params={"by": "colour"})).status_code == 422


async def test_a_station_that_estimates_nothing_says_so_and_shows_all_else(cloud, viewer):
    made = await Feeder.enrol(cloud.worker, FACTS, Plant(midnight_ms(), estimating=False))
    await made.second(now_ms() // 1000 * 1000)

    life = (await viewer.get(PATH)).json()
    cells = await viewer.get(f"/api/v1/stations/haibin-1/cells/{WARM_RACK}/estimates")
    pages = [
        await viewer.get(f"/stations/haibin-1{path}")
        for path in ("", f"/racks/{WARM_RACK}", "/health")
    ]

    assert life["racks"] == []
    assert cells.status_code == 404
    assert [page.status_code for page in pages] == [200, 200, 200]
    assert all("This station does not estimate its cells yet" in page.text for page in pages)
    assert all('id="estimate"' not in page.text for page in pages)


async def test_one_figure_of_every_cell_of_the_station_is_told_rack_by_rack(feeder, viewer):
    path = "/api/v1/stations/haibin-1/cell-map"
    for by, lowest in (("soh", True), ("resistance", False), ("anomaly", False)):
        answer = (await viewer.get(path, params={"by": by})).json()

        told = {one["rack"] for one in answer["racks"]}
        assert told.isdisjoint(answer["racks_without"])
        (odd,) = [one for one in answer["racks"] if one["rack"] == WARM_RACK]
        extreme = min if lowest else max
        assert odd["values"].index(extreme(odd["values"])) == WARM_CELL
        assert not odd["stale"]
        assert len(odd["half_widths"]) == (0 if by == "anomaly" else CELLS)
    assert (await viewer.get(path, params={"by": "colour"})).status_code == 422
    assert (await viewer.get("/api/v1/stations/nowhere/cell-map")).status_code == 404
