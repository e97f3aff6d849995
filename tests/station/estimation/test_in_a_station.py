"""Estimators in a running station, with a plant that runs: nothing in it is made up."""

import math
import os
import signal

from contract.limits import LimitReason
from station.estimation.keeping import keep
from tests.station.estimation.groups import group, kept, worn
from tests.station.estimation.plant_site import CELLS, CURVES, plant, station_at
from tests.waiting import wait_for

_SOON_S = 90
_RUNS_MS = 12_000
"""So long a process works before it is killed: what it has not kept is the absence."""


async def test_a_killed_estimator_process_resumes_wider_and_nothing_else_notices(tmp_path):
    keep(tmp_path / "station" / "estimators" / "state.bin", kept(group()))
    rare = {"state_period_s": 3600, "cells_period_s": 2}
    async with plant(tmp_path / "plant") as ports, station_at(tmp_path, ports, rare) as site:
        await wait_for(lambda: site.estimators().get("at_ms"), "estimates", _SOON_S)
        begun_ms = site.estimators()["at_ms"]
        await wait_for(lambda: site.estimators()["at_ms"] > begun_ms + _RUNS_MS, "a while", _SOON_S)
        worker = site.worker()
        assert worker is not None
        assert worker.nice() > 0
        before = site.status()
        os.kill(worker.pid, signal.SIGKILL)

        def back() -> bool:
            now = site.estimators()
            return now["restarts"] == 1 and now["answers"]

        await wait_for(back, "estimates again", _SOON_S)
        after = site.status()
        lost_and_resumed = {"estimator.lost", "estimator.resumed"}
        await wait_for(lambda: lost_and_resumed <= set(site.codes()), "events", _SOON_S)
        await wait_for(
            lambda: site.status()["cycles"] >= after["cycles"] + 2, "further cycles", _SOON_S
        )
        later = site.status()
        await site.stop()

    of_before, of_after = before["estimators"], after["estimators"]
    assert of_after["soc_half_width"] > of_before["soc_half_width"] * 1.05
    assert abs(of_after["soc_estimate"] - of_before["soc_estimate"]) < 0.01
    assert site.codes().count("estimator.resumed") == 2
    assert "estimator.cold_start" not in site.codes()
    assert later["missed"] == before["missed"]
    seconds = (later["at_ms"] - before["at_ms"]) / 1000
    assert abs(later["cycles"] - before["cycles"] - seconds) < 1.5
    assert later["cycle_failures"] == 0
    assert later["part_failures"] == before["part_failures"]
    assert later["driver_restarts"] == before["driver_restarts"]
    layouts = {layout for _, layout, _ in site.cloud.samples}
    assert {"estimate", "estimate.station", f"estimate.cells/{CELLS}"} <= layouts


async def test_a_station_that_was_stopped_goes_on_with_its_state(tmp_path):
    async with plant(tmp_path / "plant") as ports:
        async with station_at(tmp_path, ports, {}) as site:
            await wait_for(lambda: site.estimators().get("soc_estimate"), "estimates", _SOON_S)
            await site.stop()
            assert site.station.returncode == 0
            assert (site.data_dir / "estimators" / "state.bin").exists()
            assert site.worker() is None
        (tmp_path / "station" / "status.json").unlink()

        async with station_at(tmp_path, ports, {}) as site:
            await wait_for(lambda: "estimator.resumed" in site.codes(), "the state", _SOON_S)
            assert "estimator.cold_start" not in site.codes()
            await site.stop()


async def test_a_damaged_state_is_told_and_leads_to_a_cold_start(tmp_path):
    kept = tmp_path / "station" / "estimators" / "state.bin"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"\x00\x00\x00\x08nonsense")
    async with plant(tmp_path / "plant") as ports, station_at(tmp_path, ports, {}) as site:
        await wait_for(lambda: "estimator.cold_start" in site.codes(), "a cold start", _SOON_S)
        (told,) = [event for event in site.cloud.events if event.code == "estimator.cold_start"]
        await site.stop()

    assert "damaged" in told.text_en


async def test_a_station_without_the_section_starts_no_estimators(tmp_path):
    async with plant(tmp_path / "plant") as ports, station_at(tmp_path, ports, None) as site:
        await wait_for(lambda: site.status().get("cycles", 0) >= 2, "cycles", _SOON_S)
        worker = site.worker()
        status = site.status()
        await site.stop()

    assert worker is None
    assert "estimators" not in status
    assert not any(
        layout.startswith("estimate") and layout != "estimate.summary"
        for _, layout, _ in site.cloud.samples
    )


async def test_a_worn_cell_slows_the_station_down_and_is_named_in_limits_and_events(tmp_path):
    one = group()
    state = kept(one, running=worn(one, CELLS + 4, 0.7))
    keep(tmp_path / "station" / "estimators" / "state.bin", state)
    asked = {"health_curves": str(CURVES)}
    async with plant(tmp_path / "plant") as ports, station_at(tmp_path, ports, asked) as site:
        told = site.cloud.value

        def slowed() -> bool:
            reason = told("STATION", "station", "charge_limit_reason")
            return reason == LimitReason.CELL_HEALTH

        await wait_for(slowed, "the worn cell", _SOON_S)
        await wait_for(lambda: "limit.charge" in site.codes(), "the event", _SOON_S)
        await site.stop()

    assert told("STATION", "limits", "charge_limit_rack") == 2
    assert told("STATION", "limits", "charge_limit_cell") == 5
    assert told("C1-R02", "estimate.limit", "charge_health_share") < 0.5
    assert told("C1-R01", "estimate.limit", "charge_health_share") == 1
    assert math.isnan(told("C1-R01", "estimate.limit", "charge_health_cell"))
    said = [event.text_en for event in site.cloud.events if event.code == "limit.charge"]
    assert sum("health of a cell (estimate) (C1-R02, cell 5)" in text for text in said) == 1
