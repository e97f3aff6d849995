"""What did not arrive is listed and sent again, by programs and by people."""

import pytest

from cloud.access import Role
from cloud.app import open_worker
from cloud.config import CloudConfig
from cloud.market import bids
from cloud.web.user_app import create_user_app
from tests.cloud.api.conftest import Cloud
from tests.cloud.desk_day import new_bid
from tests.cloud.stations import create_station
from tests.cloud.web.console import PATIENT, quick_passwords

PAGE = "/undelivered"
API = "/api/v1/undelivered"


@pytest.fixture
async def left(dsn, tmp_path):
    """A cloud with a step that its receiver has left, and a file that was refused."""
    secret = tmp_path / "hook.secret"
    folder = tmp_path / "inbox"
    (folder / "refused").mkdir(parents=True)
    for name in ("a.json", "a.json.sig"):
        (folder / "refused" / name).write_text("{}")
    hook = {"name": "scada", "url": "http://127.0.0.1:9", "secret_file": str(secret)}
    market = {"webhooks": [hook], "inbox": str(folder)}
    async with open_worker(
        CloudConfig(data_dir=tmp_path, database=PATIENT, market=market), dsn
    ) as worker:
        one = worker.services
        await create_station(one.pool, "haibin-1")
        made = new_bid("haibin-1", power="2")
        given = one.pool, one.vault, made
        bid = await bids.draft(*given, who="ann", why="", now_ms=made.gate_ms - 3_600_000)
        async with one.pool.connection() as conn:
            await conn.execute(
                "INSERT INTO webhook_queue (hook, bid, number, queued_ms, tries, dead_ms, why)"
                " VALUES ('scada', %s, 1, 1, 7, 2, 'it refused: HTTP 410')",
                [bid],
            )
        yield Cloud(worker, create_user_app(one, passwords=quick_passwords())), bid, folder


async def test_programs_list_and_send_again_and_viewers_do_not(left):
    cloud, bid, folder = left
    async with cloud.signed_in(Role.TRADER) as trader:
        listed = (await trader.get(API)).json()
        step = {"hook": "scada", "bid": bid, "number": 1}
        sent = [await trader.post(f"{API}/steps", json=step) for _ in range(2)]
        taken = await trader.post(f"{API}/files", json={"name": "a.json"})
        after = (await trader.get(API)).json()
        unknown = await trader.post(f"{API}/steps", json=step | {"hook": "nobody"})
    async with cloud.signed_in(Role.VIEWER) as viewer:
        forbidden = await viewer.get(API)

    (shown,) = listed["steps"]
    assert (shown["hook"], shown["number"], shown["tries"]) == ("scada", 1, 7)
    assert [one["name"] for one in listed["files"]] == ["a.json"]
    assert [one.status_code for one in (*sent, taken)] == [204, 404, 204]
    assert after == {"steps": [], "files": []}
    assert (folder / "a.json.sig").is_file()
    assert (unknown.status_code, forbidden.status_code) == (404, 403)


@pytest.mark.parametrize("language", ["en", "zh-Hans"])
async def test_the_page_has_a_button_that_sends_again(left, language):
    cloud, bid, _ = left
    async with cloud.signed_in(Role.TRADER) as trader:
        trader.cookies.set("sm_language", language)
        page = await trader.get(PAGE)
        token = trader.headers["X-CSRF-Token"]
        form = {"kind": "step", "hook": "scada", "bid": bid, "number": "1", "csrf": token}
        forged = await trader.post(PAGE, data=form | {"csrf": "guess"})
        sent = await trader.post(PAGE, data=form)
        after = await trader.get(PAGE)

    assert ("Send again" if language == "en" else "重新发送") in page.text
    assert f'data-step="{bid}-1"' in page.text
    assert forged.status_code == 403
    assert (sent.status_code, sent.headers["location"]) == (303, PAGE)
    assert "data-step" not in after.text
