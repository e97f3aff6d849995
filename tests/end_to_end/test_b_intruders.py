"""Strangers and forgers at the edge listener of a running cloud: refused, and without effect."""

import sqlite3
import ssl
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from tests.end_to_end.house import House
from tests.waiting import wait_until


def _edge(house: House) -> str:
    return f"{house.stack.addresses['edge']}/edge/v1/batches"


def _context(house: House) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=house.stack.addresses["ca"])
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


@pytest.fixture
def thief(house: House) -> Iterator[httpx.Client]:
    """Somebody who has copied the station's certificate and key."""
    context = _context(house)
    identity = house.stack.folders.station / "identity"
    context.load_cert_chain(identity / "tls.pem", identity / "tls.key")
    with httpx.Client(verify=context, timeout=30) as client:
        yield client


@pytest.fixture
def waiting_batch(house: House) -> Iterator[bytes]:
    """A sealed batch that the station has queued while its cable is out."""
    relay = house.stack.relay
    assert relay is not None
    relay.pull()
    # Those before the newest may have left just before the cable did.
    wait_until(lambda: len(_queued(house)) >= 4, "batches in the queue", 60)
    yield _queued(house)[-1]
    relay.plug()


def _queued(house: House) -> list[bytes]:
    file = house.stack.folders.station / "queue.sqlite"
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as queue:
        rows = queue.execute("SELECT body FROM batches WHERE stream = 1 ORDER BY id")
        return [bytes(row[0]) for row in rows]


def test_a_client_without_a_certificate_is_refused(house: House):
    with (
        httpx.Client(verify=_context(house), timeout=30) as client,
        pytest.raises(httpx.TransportError),
    ):
        client.post(_edge(house), content=b"x")


def test_a_flipped_byte_in_a_real_batch_is_refused_and_a_replay_changes_nothing(
    house: House, thief: httpx.Client, waiting_batch: bytes
):
    flipped = bytearray(waiting_batch)
    flipped[-1] ^= 1

    refused = thief.post(_edge(house), content=bytes(flipped))
    first = thief.post(_edge(house), content=waiting_batch)
    again = thief.post(_edge(house), content=waiting_batch)
    relay = house.stack.relay
    assert relay is not None
    relay.plug()
    house.wait_drained()
    missing, doubled = house.missing_and_doubled()

    assert (refused.status_code, refused.json()["code"]) == (400, "tampered")
    assert (first.json()["result"], again.json()["result"]) == ("stored", "duplicate")
    assert missing == {}
    assert doubled == 0


def test_the_console_answers_nothing_to_a_stranger(house: House):
    answer = httpx.get(f"{house.stack.addresses['web']}/api/v1/stations/demo/live", timeout=30)

    assert answer.status_code == 401
