import datetime as dt

from cloud.config_desk import DeskSection
from cloud.market.bids import Listed, Look, State
from cloud.market.desk.gates import gates
from cloud.market.exchanges import load_market

DAY = dt.date(2026, 3, 10)
HOUR_MS = 3_600_000


def section(market: str) -> DeskSection:
    return DeskSection.model_validate(
        {
            "station": "haibin-1",
            "market": market,
            "price": "price",
            "products": [{"id": "day-ahead-energy"}],
        }
    )


def test_a_bid_at_one_market_does_not_hide_the_gate_of_another_that_names_its_product_alike():
    rules = load_market("europe").product("day-ahead-energy")
    starts = rules.intervals_ms(DAY)
    gate_ms = rules.gate_closure_ms(starts[0])
    ours = Listed(
        *("b1", "haibin-1", "desk", "europe", rules.id, DAY, gate_ms, starts[0]),
        *(starts[-1] + 900_000, 1, State.ACCEPTED, False, "ann", ""),
    )

    seen = gates(
        [section("europe"), section("test-exchange")],
        [ours],
        gate_ms - HOUR_MS,
        ahead_ms=20 * HOUR_MS,
        back_ms=0,
    )

    assert [(one.market.id, one.bid) for one in seen] == [("europe", ours), ("test-exchange", None)]


def test_a_gate_without_a_bid_says_what_has_become_of_its_drafting():
    rules = load_market("test-exchange").product("day-ahead-energy")
    starts = rules.intervals_ms(DAY)
    gate_ms = rules.gate_closure_ms(starts[0])
    look = Look(
        *("haibin-1", "test-exchange", rules.id, starts[0], starts[-1] + 900_000, gate_ms),
        *(True, "no series"),
    )

    (seen,) = gates(
        *([section("test-exchange")], [], gate_ms - HOUR_MS),
        ahead_ms=20 * HOUR_MS,
        back_ms=0,
        looks=[look],
    )

    assert (seen.bid, seen.look) == (None, look)
