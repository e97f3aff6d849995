"""A new desk waits for its first prices; after some minutes their lack is told as a failure."""

import logging

import pytest

from cloud import draft_job
from cloud.config_market import MarketSection
from cloud.draft_job import DraftJobs
from cloud.keys import open_keys
from cloud.market.errors import MarketError
from cloud.vault.vault import Vault
from tests.cloud.stations import create_station

DESK = {
    "station": "haibin-1",
    "market": "test-exchange",
    "price": "tx.day_ahead",
    "products": [{"id": "day-ahead-energy"}, {"id": "minute-energy", "ahead_min": 4.0}],
}
MINUTE_MS = 60_000


async def test_a_desk_without_prices_waits_some_minutes_before_that_is_an_error(
    pool, tmp_path, monkeypatch, caplog
):
    await create_station(pool, "haibin-1")
    vault = Vault(pool, open_keys(tmp_path / "keys"))
    clock = [1_800_000_000_000]
    monkeypatch.setattr(draft_job, "_now_ms", lambda: clock[0])
    market = MarketSection.model_validate({"desks": [DESK]})
    jobs = DraftJobs(pool, vault, None, market, tmp_path)  # type: ignore[arg-type] - not asked yet
    names, works = zip(*((name, work) for name, work, _ in jobs.jobs()), strict=True)

    with caplog.at_level(logging.INFO, logger="cloud.draft_job"):
        for work in (*works, *works):
            await work()
    clock[0] += 6 * MINUTE_MS
    for work in works:
        with pytest.raises(MarketError, match=r"no series 'tx\.day_ahead'"):
            await work()

    whole = "drafts desk haibin-1 test-exchange 1"
    assert names == (whole, f"{whole} within the day")
    assert [record.getMessage() for record in caplog.records] == [
        "desk waits for its first prices desk=desk station=haibin-1 series=tx.day_ahead"
    ]
