from decimal import Decimal
from pathlib import Path

import pytest

from cloud.market.errors import BadProfile
from cloud.market.exchanges import Amend, Role, load_market, market_ids
from cloud.market.exchanges.market import PROFILES


@pytest.mark.parametrize("name", market_ids())
def test_every_value_of_a_profile_has_a_source_or_says_that_it_is_assumed(name: str):
    market = load_market(name)

    assert market.id == name
    assert market.origins
    for key, origin in market.origins.items():
        assert bool(origin.source) != bool(origin.assumed), key
    for one in market.products:
        assert {"price_floor", "gate", "max_segments"} <= set(one.origins)


def test_shandong_offers_lie_between_the_published_limits():
    energy = load_market("cn-shandong").product("day-ahead-energy")

    assert (energy.price_floor, energy.price_cap) == (Decimal(-80), Decimal(1300))
    assert (energy.clearing_floor, energy.clearing_cap) == (Decimal(-100), Decimal(1500))
    assert energy.origins["price_cap"].since == "2021"


def test_a_published_size_and_an_assumed_one_can_be_told_apart():
    shandong, jiangsu = load_market("cn-shandong"), load_market("cn-jiangsu")

    assert "roles.independent.min_power_mw" not in shandong.assumptions()
    assert "roles.independent.min_power_mw" in jiangsu.assumptions()


def test_the_two_chinese_roles_have_differing_conditions():
    market = load_market("cn-guangdong")

    alone, joint = market.eligibility(Role.INDEPENDENT), market.eligibility(Role.JOINT)

    assert alone is not None
    assert joint is not None
    assert (alone.min_power_mw, alone.min_hours) == (5, 1)
    assert joint.min_power_mw == 0
    assert "peak" in alone.products
    assert "peak" not in joint.products


def test_australian_prices_stand_while_megawatts_move():
    energy = load_market("au-nem").product("energy")

    assert energy.prices_fixed_for_day
    assert energy.amend is Amend.POWER_ONLY
    assert energy.reason_needed
    assert energy.max_segments == 10


def test_an_unknown_market_or_product_names_what_there_is():
    with pytest.raises(BadProfile, match="cn-shandong"):
        load_market("atlantis")
    with pytest.raises(BadProfile, match="day-ahead-energy"):
        load_market("europe").product("tulips")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('zone = "Asia/Shanghai"', 'zone = "Europe/Atlantis"', "zone: Europe/Atlantis"),
        ('currency = "EUR"', "", "currency: is required"),
        ('currency = "EUR"', 'currency = "EUR"\ncolour = 1', "colour: is not a known key"),
        ('source = "ours"', 'source = "theirs"', "add .sources.theirs"),
        (', source = "ours"', "", "say where the value comes from"),
        ("value = 4000", "value = -500", "lies not below price_cap"),
        ('products = { value = ["day', 'products = { value = ["a-day', "is no product here"),
        ('value = 10, source = "ours"', 'value = nan, source = "ours"', "max_segments"),
        ("[sources.ours]", "[sources.ours", "not a TOML file"),
        ('scheme = "imbalance"', 'scheme = "barter"', "settlement"),
    ],
)
def test_a_wrong_profile_names_file_key_and_remedy(tmp_path: Path, old: str, new: str, words: str):
    text = (PROFILES / "test-exchange.toml").read_text("utf-8")
    assert old in text
    file = tmp_path / "mine.toml"
    file.write_text(text.replace(old, new, 1), "utf-8")

    with pytest.raises(BadProfile, match=words) as caught:
        load_market(file)

    assert str(file) in str(caught.value)


def test_a_market_is_added_by_a_file(tmp_path: Path):
    text = (PROFILES / "test-exchange.toml").read_text("utf-8")
    file = tmp_path / "mine.toml"
    file.write_text(text.replace('id = "test-exchange"', 'id = "mine"'), "utf-8")

    assert load_market(file).product("intraday-energy").interval_min == 5
    assert load_market(str(file)).id == "mine"


def test_a_missing_file_is_named():
    with pytest.raises(BadProfile, match="name a readable TOML file"):
        load_market("/nowhere/market.toml")
