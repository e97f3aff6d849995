import pytest

from cloud.access import Role
from cloud.access.http import HEADERS
from cloud.db import connection
from tests.cloud.api.conftest import ORIGIN, PASSWORD


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/session",
        "/api/v1/stations",
        "/api/v1/stations/haibin-1",
        "/api/v1/stations/haibin-1/live",
        "/api/v1/stations/haibin-1/stream",
        "/api/v1/stations/haibin-1/orders",
        "/api/v1/stations/haibin-1/cells/C1-R01",
        "/api/v1/series?station=haibin-1&signal=STATION:soc&from=0&to=1",
        "/fragments/banner",
    ],
)
async def test_nothing_is_shown_to_somebody_who_is_not_signed_in(cloud, path):
    async with cloud.client() as client:
        answer = await client.get(path)

    assert answer.status_code == 401
    assert set(answer.json()) == {"code", "message", "remedy"}


@pytest.mark.parametrize("path", ["/", "/alarms", "/stations/haibin-1", "/stations/x/schedule"])
async def test_pages_lead_to_the_sign_in_and_back(cloud, path):
    async with cloud.client() as client:
        answer = await client.get(path)

    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in?back=/")


async def test_signing_in_sets_a_cookie_that_scripts_and_other_sites_never_see(cloud):
    async with cloud.signed_in(Role.VIEWER) as client:
        answer = await client.post(
            "/api/v1/session", json={"user": "viewer-user", "password": PASSWORD}
        )

    assert answer.status_code == 201
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("sm_session=")
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=/" in cookie
    assert set(answer.json()) == {"user", "roles", "csrf_token"}


async def test_over_tls_cookies_are_bound_to_the_host(cloud):
    from cloud.access.http import Cookies

    assert Cookies(secure=True).session == "__Host-sm_session"
    assert Cookies(secure=True).visitor == "__Host-sm_visitor"


@pytest.mark.parametrize(
    "headers",
    [
        {"X-CSRF-Token": ""},
        {"X-CSRF-Token": "wrong"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
async def test_a_changing_request_that_may_be_forged_is_refused(cloud, admin, headers):
    facts = {"id": "s1", "name": "S", "rated_power_kw": 1, "capacity_kwh": 1}

    refused = await admin.post("/api/v1/stations", json=facts, headers=headers)

    assert (refused.status_code, refused.json()["code"]) == (403, "forged_request")
    async with connection(cloud.worker.services.pool) as conn:
        row = await (await conn.execute("SELECT count(*) FROM stations")).fetchone()
    assert row[0] == 0


async def test_our_own_page_may_change_things(admin):
    facts = {"id": "s1", "name": "S", "rated_power_kw": 1, "capacity_kwh": 1}
    own = {"Sec-Fetch-Site": "same-origin", "Origin": ORIGIN}

    assert (await admin.post("/api/v1/stations", json=facts, headers=own)).status_code == 201


async def test_signing_out_makes_the_cookie_worthless(viewer):
    token = viewer.cookies["sm_session"]

    assert (await viewer.delete("/api/v1/session")).status_code == 204

    viewer.cookies.set("sm_session", token, domain="127.0.0.1")
    assert (await viewer.get("/api/v1/session")).status_code == 401


async def test_guessing_is_slowed_down_and_told_how_long(cloud):
    guess = {"user": "viewer-user", "password": "wrong"}
    async with cloud.signed_in(Role.VIEWER) as client:
        codes = [(await client.post("/api/v1/session", json=guess)).status_code for _ in range(5)]
        last = await client.post("/api/v1/session", json=guess)

    assert codes == [401] * 5
    assert last.status_code == 429
    assert 0 < int(last.headers["retry-after"]) <= 2


async def test_every_answer_carries_the_security_headers(cloud, viewer):
    for path in ("/sign-in", "/", "/api/v1/stations", "/static/js/console.js", "/nowhere"):
        answer = await viewer.get(path)
        for name, value in HEADERS.items():
            assert answer.headers[name] == value, path
    policy = HEADERS["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


async def test_a_page_that_only_looks_by_itself_does_not_keep_the_session_open(cloud, viewer):
    pool = cloud.worker.services.pool

    async def idle_s():
        async with connection(pool) as conn:
            row = await (
                await conn.execute("SELECT extract(epoch FROM now() - last_seen_at) FROM sessions")
            ).fetchone()
        return row[0]

    async with connection(pool) as conn:
        await conn.execute("UPDATE sessions SET last_seen_at = now() - interval '5 min'")
    background = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}

    await viewer.get("/api/v1/stations", headers=background)
    assert await idle_s() > 290

    await viewer.post("/api/v1/session/activity", headers=background)
    assert await idle_s() < 60
