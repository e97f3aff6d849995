"""Strangers at the edge listener of a running cloud: refused, recorded, and without effect."""

import ssl
from pathlib import Path

import httpx
import pytest

from tests.end_to_end.house import House


def _edge(house: House) -> str:
    return house.stack.addresses["edge"]


def _context(house: House) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=house.stack.addresses["ca"])
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def _identity(house: House) -> tuple[Path, Path]:
    folder = house.stack.folders.station / "identity"
    return folder / "certificate.pem", folder / "tls.key"


def test_a_client_without_a_certificate_is_refused(house: House):
    with httpx.Client(verify=_context(house)) as client, pytest.raises(httpx.TransportError):
        client.post(f"{_edge(house)}/edge/v1/batches", content=b"x")


def test_a_flipped_byte_is_refused_and_changes_nothing(house: House):
    context = _context(house)
    certificate, key = _identity(house)
    context.load_cert_chain(certificate, key)
    before = house.client.ledger("demo", 0, 2**53)["batches"]

    with httpx.Client(verify=context) as client:
        answer = client.post(f"{_edge(house)}/edge/v1/batches", content=b"\x01" + b"\x00" * 80)

    assert answer.status_code in {400, 403, 428}
    assert house.client.ledger("demo", 0, 2**53)["batches"] >= before


def test_the_console_answers_nothing_to_a_stranger(house: House):
    answer = httpx.get(f"{house.stack.addresses['web']}/api/v1/stations/demo/live")

    assert answer.status_code == 401
