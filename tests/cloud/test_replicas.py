"""Replicas behind a real HAProxy: one database, one folder of keys, one of them killed."""

import asyncio
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator

import httpx
import psutil
import pytest

from cloud.db.migrate import known_migrations
from tests.cloud.cluster import Cluster, running_cluster
from tests.cloud.edge.test_kills import ROWS, Sender, _stored, enrol
from tests.cloud.stations import T0_MS, FakeStation
from tests.cloud.test_proxy_header import header
from tests.waiting import wait_until

VISITOR = "127.0.0.7"


@pytest.fixture(scope="module")
def cluster(server_dsn: str) -> Iterator[Cluster]:
    with running_cluster(server_dsn) as running:
        yield running


@pytest.fixture(scope="module")
def station(cluster: Cluster) -> tuple[FakeStation, ssl.SSLContext]:
    """A station that has enrolled through the proxy."""
    return enrol(cluster, cluster)  # type: ignore[arg-type] - both have what it takes


@pytest.fixture
def browser(cluster: Cluster) -> Iterator[httpx.Client]:
    """A client of the console through the proxy, from an address of its own."""
    transport = httpx.HTTPTransport(verify=cluster.trust, local_address=VISITOR)
    with httpx.Client(transport=transport, base_url=cluster.console, timeout=20) as client:
        yield client


def test_clouds_that_start_together_prepare_one_database_and_one_administrator(cluster):
    assert cluster.all("SELECT number FROM schema_migrations ORDER BY number") == [
        (one.number,) for one in known_migrations()
    ]
    assert cluster.all("SELECT name FROM users") == [("admin",)]
    assert len(cluster.first_sign_ins) == 1
    assert len(list(cluster.keys.glob("key-encryption*.key"))) == 1


def test_each_cloud_does_its_part_and_says_that_it_is_ready(cluster):
    def children(process: psutil.Process) -> set[str]:
        return {child.cmdline()[-1] for child in process.children()}

    heads = [psutil.Process(cloud.process.pid) for cloud in cluster.clouds]
    assert [children(head) for head in heads] == [
        {"cloud.worker"},
        {"cloud.worker"},
        {"cloud.jobs"},
    ]
    listening = [
        one
        for process in cluster.jobs.processes()
        for one in process.net_connections()
        if one.status == psutil.CONN_LISTEN
    ]
    assert listening == []
    for cloud in cluster.clouds:
        told = subprocess.run(
            [sys.executable, "-m", "cloud.readiness", str(cloud.config)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (told.returncode, told.stdout) == (0, "ready\n")


def test_a_client_without_a_certificate_is_refused_through_the_proxy_and_its_address_is_noted(
    cluster,
):
    anonymous = ssl.create_default_context(cafile=cluster.addresses["ca"])
    transport = httpx.HTTPTransport(verify=anonymous, local_address=VISITOR)

    with (
        httpx.Client(transport=transport, timeout=20) as client,
        pytest.raises(httpx.TransportError),
    ):
        client.get(f"{cluster.addresses['edge']}/edge/v1/orders")

    cluster.refused("handshake_refused", VISITOR)


def answer_to(opening: bytes, port: int, come_from: str) -> bytes:
    """What a listener says to these bytes before it hangs up."""
    address = ("127.0.0.1", port)
    with socket.create_connection(address, timeout=20, source_address=(come_from, 0)) as raw:
        try:
            raw.sendall(opening)
            return raw.recv(1 << 10)
        except ConnectionError:
            return b""


@pytest.mark.parametrize("listener", ["edge", "enrol"])
def test_a_forged_proxy_header_from_an_untrusted_address_opens_nothing(cluster, listener):
    port = cluster.web["web-1"].port(listener)

    assert answer_to(header("203.0.113.9", 4711), port, "127.0.0.8") == b""

    cluster.refused("proxy_refused", "127.0.0.8")
    assert cluster.all("SELECT FROM security_events WHERE source = '203.0.113.9'") == []


def test_a_forged_proxy_header_through_the_proxy_is_only_a_failed_handshake(cluster):
    said = answer_to(header("203.0.113.9", 4711), cluster.proxy.ports["edge"], "127.0.0.6")

    assert said[:1] in (b"", b"\x15")  # nothing, or a TLS alert
    cluster.refused("handshake_refused", "127.0.0.6")
    assert cluster.all("SELECT FROM security_events WHERE source = '203.0.113.9'") == []


def attempts(cluster: Cluster, user: str) -> list[str]:
    """Addresses from which somebody tried to sign in as `user`."""
    rows = cluster.all("SELECT address FROM sign_in_attempts WHERE user_name = %s", user)
    return [address for (address,) in rows]


FORGED = {
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Proto": "https",
    "Forwarded": "for=1.2.3.4",
}


def test_forged_addresses_are_replaced_by_the_proxy(cluster, browser):
    credentials = {"user": "through", "password": "guess"}

    answer = browser.post("/api/v1/session", json=credentials, headers=FORGED)

    assert answer.status_code == 401
    assert attempts(cluster, "through") == [VISITOR]


def test_forged_addresses_are_not_believed_without_the_proxy(cluster):
    transport = httpx.HTTPTransport(local_address="127.0.0.8")
    straight = cluster.web["web-2"].addresses["web"]

    with httpx.Client(transport=transport, base_url=straight, timeout=20) as client:
        answer = client.post(
            "/api/v1/session", json={"user": "straight", "password": "guess"}, headers=FORGED
        )
        page = client.get("/sign-in", headers=FORGED)

    assert answer.status_code == 401
    assert attempts(cluster, "straight") == ["127.0.0.8"]
    assert "secure" not in page.headers["set-cookie"].lower()
    assert "strict-transport-security" not in page.headers


def signed_in(cluster: Cluster, browser: httpx.Client) -> httpx.Response:
    (first,) = cluster.first_sign_ins
    return browser.post("/api/v1/session", json=first, headers={"Origin": cluster.console})


def test_behind_the_proxy_cookies_are_bound_to_tls(cluster, browser):
    answer = signed_in(cluster, browser)

    assert answer.status_code == 201
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-sm_session=")
    assert "Secure" in cookie
    assert "max-age" in answer.headers["strict-transport-security"]
    assert browser.get("/api/v1/session").json()["user"] == "admin"


def test_the_form_of_the_sign_in_page_works_behind_the_proxy(cluster, browser):
    (first,) = cluster.first_sign_ins
    page = browser.get("/sign-in")
    token = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert token is not None

    answer = browser.post(
        "/sign-in", data=first | {"csrf": token[1]}, headers={"Origin": cluster.console}
    )

    assert page.headers["set-cookie"].startswith("__Host-sm_visitor=")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert browser.get("/").status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost"])
def test_another_origin_is_refused_behind_the_proxy(cluster, browser, origin):
    (first,) = cluster.first_sign_ins

    answer = browser.post("/api/v1/session", json=first, headers={"Origin": origin})

    assert answer.status_code == 403
    assert answer.json()["code"] == "forged_request"


def test_plain_http_leads_to_tls_and_health_is_not_for_outside(cluster, browser):
    plain = httpx.get(f"http://localhost:{cluster.proxy.ports['console-http']}/sign-in", timeout=20)

    assert plain.status_code == 308
    assert plain.headers["location"].startswith("https://")
    assert browser.get("/health/ready").status_code == 404


def test_events_pass_the_proxy_one_by_one(cluster, station, browser):
    assert signed_in(cluster, browser).status_code == 201

    with browser.stream("GET", "/api/v1/stations/alpha/stream") as stream:
        lines = stream.iter_lines()
        names = [line for line in (next(lines) for _ in range(12)) if line.startswith("event:")]

    assert "event: pulse" in names


def test_nothing_acknowledged_is_lost_or_doubled_when_replicas_are_killed(cluster, station):
    sender = Sender(cluster, *station)  # type: ignore[arg-type] - it asks for addresses only
    sender.start()

    def progress(more: int = 20) -> None:
        target = len(sender.acknowledged) + more
        wait_until(lambda: len(sender.acknowledged) >= target, "acknowledged batches", 60)

    for replica in cluster.web.values():
        progress()
        replica.kill()
        progress()
        replica.start()
        replica.wait_ready()
    progress()
    sender.leave.set()
    sender.join(30)

    assert not sender.is_alive()
    assert sender.wrong == []
    wait_until(lambda: cluster.all("SELECT FROM blocks LIMIT 1"), "work of the jobs cloud")
    config = cluster.web["web-1"].config
    times, duplicated, batches = asyncio.run(_stored(config, cluster.dsn))
    wanted = {
        T0_MS + (sequence * ROWS + row) * 1_000
        for sequence in sender.acknowledged
        for row in range(ROWS)
    }
    assert wanted == set(times)
    assert duplicated == 0
    assert batches == len(sender.acknowledged)
