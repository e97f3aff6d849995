"""What no model has made is weighed with the newest forecast of its day."""

import dataclasses
import datetime as dt

import pytest

from cloud.config_desk import DeskSection
from cloud.db import Pool
from cloud.keys import open_keys
from cloud.market import bids
from cloud.market.bids import NewBid
from cloud.market.desk.newest import UNKNOWN, newest_forecast
from cloud.vault.vault import Vault
from tests.cloud.desk_day import MARKET, PRODUCT, content
from tests.cloud.stations import create_station

DAY = dt.date(2026, 3, 10)
PLACE = "haibin-1", MARKET.id, DAY
SECTION = DeskSection(
    station="haibin-1", market=MARKET.id, price="tx.nothing", products=({"id": PRODUCT.id},)
)


@pytest.fixture
async def vault(pool: Pool, tmp_path) -> Vault:
    await create_station(pool, "haibin-1")
    return Vault(pool, open_keys(tmp_path / "keys"))


async def test_of_several_versions_the_one_that_was_known_last_counts(pool: Pool, vault: Vault):
    first = content("haibin-1", DAY)
    known_ms = first.inputs["forecast"]["known_ms"] + 1
    later = dataclasses.replace(
        first,
        inputs=first.inputs | {"forecast": first.inputs["forecast"] | {"known_ms": known_ms}},
        forecasts=("ensemble/4",),
    )
    gate_ms = PRODUCT.gate_closure_ms(first.bid_set.intervals[0].start_ms)
    now_ms = gate_ms - 3_600_000
    new = NewBid("east", gate_ms, first)
    name = await bids.draft(pool, vault, new, who="drafting", why="", now_ms=now_ms)
    there = await bids.load(pool, vault, name)
    await bids.edit(pool, vault, there, later, who="ann", why="", now_ms=now_ms)

    found = await newest_forecast(pool, vault, PLACE, None, now_ms)
    elsewhere = await newest_forecast(pool, vault, ("haibin-1", "europe", DAY), None, now_ms)

    assert found.versions == ("ensemble/4",)
    assert found.inputs["forecast"]["known_ms"] == known_ms
    assert elsewhere == UNKNOWN


async def test_without_prices_there_is_no_forecast_and_no_error(pool: Pool, vault: Vault):
    assert await newest_forecast(pool, vault, PLACE, SECTION, 0) == UNKNOWN
