"""What the desk says of bids of one plan, of empty gates, and of a bid that is over."""

import json
import re

import httpx
import pytest

from cloud.market import bids
from cloud.market.bids import Look
from cloud.web.desk_words import empty_words
from cloud.web.language import words
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


@pytest.mark.parametrize(
    ("failed", "language", "wanted"),
    [
        (False, "en", ("nothing pays now", "another time pays better")),
        (True, "en", ("not drafted", "tries again: no series")),
        (False, "zh-Hans", ("暂无收益", "其他时段收益更高")),
        (True, "zh-Hans", ("未能编制", "将重试）：no series")),
    ],
)
def test_an_empty_gate_says_why_it_is_empty(failed, language, wanted):
    look = Look("s", "m", "p", 0, 1, 2, failed=failed, why="no series")

    told = empty_words(words(language), look)

    assert wanted[0] in told["words"]
    assert wanted[1] in told["waits"]
