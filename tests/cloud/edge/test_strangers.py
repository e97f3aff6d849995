"""Who may not speak to the edge listener: refused, noted, and without effect."""

import datetime as dt
import ssl

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from cloud.access.enrolment import revoke
from cloud.access.pki import Authority
from tests.cloud.stations import add_token, client, create_station, frame


async def reason(site) -> str:
    """What the book says of the newest refused handshake."""
    found = await site.all("SELECT detail->>'reason' FROM security_events ORDER BY id DESC LIMIT 1")
    return found[0][0]


async def test_a_client_without_a_certificate_is_refused_and_noted(site):
    context = ssl.create_default_context(cadata=site.authority.certificate_pem.decode())

    async with client(site.edge_url, context) as http:
        with pytest.raises(httpx.TransportError):
            await http.post("/edge/v1/batches", content=b"x")

    assert await site.refusals() == ["handshake_refused"]
    assert "CERTIFICATE" in await reason(site)


async def test_a_certificate_of_a_foreign_authority_is_refused_and_noted(site, tmp_path):
    fake = site.fake("alpha")
    (tmp_path / "foreign").mkdir()
    foreign = Authority(tmp_path / "foreign").issue_station("alpha", fake.csr().encode())
    http = await site.connect(fake, foreign.pem)

    with pytest.raises(httpx.TransportError):
        await http.post("/edge/v1/batches", content=b"x")

    assert await site.refusals() == ["handshake_refused"]
    assert "issuer" in await reason(site)


async def test_an_expired_certificate_is_refused_and_noted(site):
    fake = site.fake("alpha")
    issued = x509.load_pem_x509_certificate(
        site.authority.issue_station("alpha", fake.csr().encode()).pem
    )
    past = dt.datetime.now(dt.UTC) - dt.timedelta(days=2)
    builder = x509.CertificateBuilder(
        issued.issuer,
        issued.subject,
        issued.public_key(),
        issued.serial_number,
        past,
        past + dt.timedelta(days=1),
        list(issued.extensions),
    )
    expired = builder.sign(site.authority._key, hashes.SHA256())
    http = await site.connect(fake, expired.public_bytes(serialization.Encoding.PEM))

    with pytest.raises(httpx.TransportError):
        await http.post("/edge/v1/batches", content=b"x")

    assert await site.refusals() == ["handshake_refused"]
    assert await reason(site) == "certificate has expired"


async def test_tls_below_1_3_is_refused(site):
    fake, _ = await site.enrol()
    issued = site.authority.issue_station("alpha", fake.csr().encode())
    context = fake.context(site.authority, issued.pem)
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    async with client(site.edge_url, context) as http:
        with pytest.raises(httpx.TransportError):
            await http.get("/edge/v1/orders")


@pytest.mark.parametrize("path", ["batches", "live", "keys", "receipts"])
async def test_a_revoked_certificate_is_refused_on_an_open_connection(site, path):
    fake, http = await site.enrol()
    body = fake.batch(1, [frame()]) if path == "batches" else fake.live(1, [frame()])

    await revoke(site.pool, "alpha", "stolen")
    answer = await http.post(f"/edge/v1/{path}", content=body)

    assert answer.status_code == 403
    assert answer.json()["code"] == "revoked"
    assert await site.refusals() == ["revoked"]
    assert await site.count("batches") == 0
    assert await site.count("hot_batches") == 0
    assert await site.count("dirty") == 0
    assert await site.count("devices") == 0
    assert await site.count("live") == 0


async def test_a_certificate_of_our_authority_that_is_in_no_book_is_refused(site):
    fake, _ = await site.enrol()
    issued = site.authority.issue_station("alpha", fake.csr().encode())
    http = await site.connect(fake, issued.pem)

    answer = await http.get("/edge/v1/orders")

    assert answer.status_code == 403
    assert answer.json()["code"] == "unknown_certificate"


async def test_a_station_cannot_speak_for_another(site):
    alpha, _ = await site.enrol("alpha")
    _, beta_http = await site.enrol("beta")

    answer = await beta_http.post("/edge/v1/batches", content=alpha.batch(1, [frame()]))

    assert answer.status_code == 403
    assert await site.refusals() == ["wrong_station", "identity"]
    assert await site.count("batches") == 0


async def test_enrolling_again_revokes_the_certificate_before(site):
    fake, old = await site.enrol()
    async with site.pool.connection() as conn:
        await add_token(conn, "alpha", "second token")

    answer = await site.send_enrolment(fake, "second token")

    assert answer.status_code == 200
    assert (await old.get("/edge/v1/orders")).status_code == 403
    renewed = await site.connect(fake, answer.json()["certificate"].encode())
    assert (await renewed.get("/edge/v1/orders")).status_code == 204


@pytest.mark.parametrize("fault", ["unknown", "used", "expired", "other_station", "proof"])
async def test_an_enrolment_that_cannot_be_granted_changes_nothing(site, fault):
    token = await create_station(site.pool, "alpha")
    fake = site.fake("alpha")
    body = fake.enrolment(token)
    async with site.pool.connection() as conn:
        if fault == "used":
            await conn.execute("UPDATE enrolment_tokens SET used_at = now()")
        if fault == "expired":
            await conn.execute("UPDATE enrolment_tokens SET expires_at = now()")
    if fault == "unknown":
        body = fake.enrolment("guess")
    if fault == "other_station":
        await create_station(site.pool, "beta")
        body = site.fake("beta").enrolment(token)
    if fault == "proof":
        body["station"] = "beta"

    context = ssl.create_default_context(cadata=site.authority.certificate_pem.decode())
    async with client(site.enrol_url, context) as http:
        answer = await http.post("/enrol/v1", json=body)

    assert answer.status_code == 403
    assert answer.json()["code"] == "enrolment"
    assert await site.count("certificates") == 0
    assert await site.all("SELECT 1 FROM stations WHERE signing_key IS NOT NULL") == []
    assert await site.refusals() == ["enrolment_refused"]


async def test_a_certificate_can_be_renewed_before_it_ends(site):
    fake, http = await site.enrol()

    answer = await http.post("/edge/v1/renew", json={"csr": fake.csr()})

    renewed = await site.connect(fake, answer.json()["certificate"].encode())
    assert (await renewed.get("/edge/v1/orders")).status_code == 204
    assert (await http.get("/edge/v1/orders")).status_code == 204
