"""What the desk says of bids of one plan, of empty gates, and of a bid that is over."""

import json
import re

import httpx
import pytest

from cloud.market import bids
from cloud.market.bids import Look
from cloud.web.desk_words import empty_words
from cloud.web.language import words
from contract.words import NO_WORDS, Words
from tests.cloud.web.console import STATION
from tests.cloud.web.feeder import now_ms
from tests.cloud.web.market import draft_day, draft_held
from tests.cloud.web.test_desk_queries import MINUTE_MS, settle


@pytest.fixture(scope="module")
def client(console, session):
    with httpx.Client(base_url=console.url, cookies={"sm_session": session}, timeout=60) as one:
        yield one


def test_bids_of_one_plan_stand_together_and_name_those_that_are_not_signed(console, client):
    energy, held = console.do(draft_day(console)), console.do(draft_held(console))

    page = client.get(f"/desk?station={STATION}&bid={energy}").text
    whole = client.get(f"/stations/{STATION}/bids/{held}").text

    facts = json.loads(re.search(r'id="facts"[^>]*>(.*?)</script>', page, re.DOTALL)[1])
    assert facts["unsigned"] == ["Frequency regulation"]
    for text in (page, whole):
        table = re.search(r"data-together>.*?</table>", text, re.DOTALL)[0]
        assert (energy in table, held in table) == (True, True)


def test_a_settled_bid_speaks_of_no_fall_back_and_a_day_that_lasts_has_no_version_yet(
    console, client
):
    begin_ms = now_ms() // MINUTE_MS * MINUTE_MS - 10 * MINUTE_MS
    bid = console.do(settle(console, begin_ms))
    services = console.worker.services
    found = console.do(bids.load(services.pool, services.vault, bid))

    page = client.get(f"/stations/{STATION}/bids/{bid}").text
    day = client.get(f"/api/v1/stations/{STATION}/settled-days/test-exchange/{found.day}").json()

    assert "data-fallback" not in page
    assert day["versions"] == []
    assert "settled" in day["words"]["en"]


WHY = Words("so and so", "如此")


@pytest.mark.parametrize(
    ("failed", "late", "why", "language", "wanted"),
    [
        (False, False, NO_WORDS, "en", ("nothing pays now", "another time pays better")),
        (False, False, NO_WORDS, "zh-Hans", ("暂无收益", "其他时段收益更高")),
        (False, False, WHY, "en", ("nothing pays now", "a better price (EUR/MWh): so and so;")),
        (False, False, WHY, "zh-Hans", ("暂无收益", "价格变化（EUR/MWh）：如此；")),
        (True, False, WHY, "en", ("not drafted", "tries again: so and so")),
        (True, False, WHY, "zh-Hans", ("未能编制", "将重试）：如此")),
        (True, True, WHY, "en", ("drafting takes too long", "so and so")),
        (True, True, WHY, "zh-Hans", ("编制超时", "如此")),
    ],
)
def test_an_empty_gate_says_why_it_is_empty(failed, late, why, language, wanted):
    look = Look("s", "m", "p", 0, 1, 2, failed=failed, why=why, late=late)

    told = empty_words(words(language), look, "EUR/MWh")

    assert wanted[0] in told["words"]
    assert wanted[1] in told["waits"]
