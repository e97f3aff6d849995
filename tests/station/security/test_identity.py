"""Enrolment over real TLS, and what becomes of damaged or stolen identities."""

import asyncio
import base64
import datetime as dt
import shutil
import stat
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from contract.canonical import canonical_json
from station.security import IdentityError, load_identity
from station.security.enrol import EnrolmentOffer, enrol, read_token
from station.security.identity import replace_certificate
from station.supervise import Supervisor
from station.uplink.link import CloudLink
from station.uplink.renewal import Renewal
from tests.station.cloud_server import STATION, TestCloud, trust_answer
from tests.station.uplink.conftest import credentials
from tests.waiting import wait_for


@pytest.fixture
async def office(tmp_path):
    async with TestCloud(tmp_path / "cloud", mutual=False) as cloud:
        ca = tmp_path / "ca.pem"
        ca.write_bytes(cloud.authority.pem)
        cloud.enrol_answer = lambda request: (200, trust_answer(cloud, request))
        cloud.offer = EnrolmentOffer(STATION, cloud.url, ca, "one-time-token")
        yield cloud


async def enrolling(office, data_dir):
    await asyncio.to_thread(enrol, office.offer, data_dir)


async def test_a_token_becomes_an_identity(office, tmp_path):
    seen = []
    office.enrol_answer = lambda r: seen.append(r) or (200, trust_answer(office, r))

    await enrolling(office, tmp_path / "data")
    identity = load_identity(tmp_path / "data", STATION)

    (request,) = seen
    fields = {k: v for k, v in request.items() if k != "proof"}
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(request["signing_key"]))
    public.verify(base64.b64decode(request["proof"]), canonical_json(fields))
    csr = x509.load_pem_x509_csr(request["csr"].encode())
    names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert request["token"] == "one-time-token"
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [
        f"urn:stationmaster:station:{STATION}"
    ]
    assert identity.keys.signing.public_key() == public
    assert list(identity.order_keys.values()) == [office.order_key.public_key()]
    assert not identity.expired()


async def test_private_keys_are_readable_by_their_owner_only(office, tmp_path):
    await enrolling(office, tmp_path / "data")

    folder = tmp_path / "data" / "identity"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for file in folder.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(lambda a: a.pop("order_keys"), "incomplete", id="no-order-keys"),
        pytest.param(lambda a: a.update(order_keys={}), "no key that may give orders", id="empty"),
        pytest.param(lambda a: a.update(cloud_key="!"), "incomplete", id="no-base64"),
        pytest.param(lambda a: a.update(certificate="x"), "incomplete", id="no-certificate"),
    ],
)
async def test_an_answer_that_makes_no_identity_is_refused_whole(office, tmp_path, change, words):
    def answer(request):
        found = trust_answer(office, request)
        change(found)
        return 200, found

    office.enrol_answer = answer

    with pytest.raises(IdentityError, match=words):
        await enrolling(office, tmp_path / "data")

    assert not (tmp_path / "data" / "identity").exists()


async def test_a_certificate_for_another_key_or_name_is_refused(office, tmp_path):
    from station.security.identity import StationKeys

    other_key = StationKeys.generate().signing_request(STATION)
    office.enrol_answer = lambda r: (200, trust_answer(office, {**r, "csr": other_key.decode()}))
    with pytest.raises(IdentityError, match="another key"):
        await enrolling(office, tmp_path / "data")

    office.enrol_answer = lambda r: (200, trust_answer(office, {**r, "station": "someone"}))
    with pytest.raises(IdentityError, match="not for station"):
        await enrolling(office, tmp_path / "data")


async def test_a_refusal_is_told_in_the_clouds_words(office, tmp_path):
    office.enrol_answer = lambda _: (403, {"code": "enrolment", "reason": "the token is used"})

    with pytest.raises(IdentityError, match="the token is used"):
        await enrolling(office, tmp_path / "data")


async def test_a_server_of_another_authority_never_sees_the_token(office, tmp_path):
    async with TestCloud(tmp_path / "impostor", mutual=False) as impostor:
        offer = EnrolmentOffer(STATION, impostor.url, office.offer.authority, "secret")

        with pytest.raises(IdentityError, match="is the authority of this cloud"):
            await asyncio.to_thread(enrol, offer, tmp_path / "data")

        assert impostor.paths == []


async def test_a_second_enrolment_replaces_the_first(office, tmp_path):
    await enrolling(office, tmp_path / "data")
    first = load_identity(tmp_path / "data", STATION).keys.signing.public_key()

    await enrolling(office, tmp_path / "data")

    assert load_identity(tmp_path / "data", STATION).keys.signing.public_key() != first
    assert [p.name for p in (tmp_path / "data").iterdir()] == ["identity"]


def enrolled(tmp_path):
    cloud = TestCloud(tmp_path / "cloud")
    return cloud, cloud.identity(tmp_path / "data")


def test_a_station_that_is_not_enrolled_is_told_how(tmp_path):
    with pytest.raises(
        IdentityError, match=r"\./stationmaster station FILE --enrol --token-file TOKEN"
    ):
        load_identity(tmp_path, STATION)


def test_a_key_that_others_can_read_is_refused(tmp_path):
    _, identity = enrolled(tmp_path)
    identity.key_file.chmod(0o640)

    with pytest.raises(IdentityError, match="chmod 600"):
        load_identity(tmp_path / "data", STATION)


@pytest.mark.parametrize("name", ["tls.key", "signing.key", "tls.pem", "identity.json"])
def test_a_damaged_identity_is_refused_by_name(tmp_path, name):
    _, identity = enrolled(tmp_path)
    (identity.folder / name).write_bytes(b"damaged")

    with pytest.raises(IdentityError, match="is damaged"):
        load_identity(tmp_path / "data", STATION)


def test_the_identity_of_another_station_is_refused(tmp_path):
    enrolled(tmp_path)

    with pytest.raises(IdentityError, match=f"belongs to station '{STATION}'"):
        load_identity(tmp_path / "data", "other")


def test_a_missing_or_empty_token_is_named(tmp_path):
    with pytest.raises(IdentityError, match="cannot be read"):
        read_token(tmp_path / "none")
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(IdentityError, match="is empty"):
        read_token(tmp_path / "empty")


def test_renewal_is_due_at_two_thirds_of_the_certificates_life(tmp_path):
    _, identity = enrolled(tmp_path)

    begin = identity.certificate.not_valid_before_utc
    whole = identity.certificate.not_valid_after_utc - begin

    assert abs(identity.renew_at() - (begin + whole * 2 / 3)) < dt.timedelta(seconds=1)


async def test_a_renewed_certificate_is_installed_and_used(tmp_path):
    async with TestCloud(tmp_path / "cloud") as cloud:
        identity = cloud.identity(tmp_path / "data")
        link = CloudLink(cloud.url, credentials(identity))
        before = identity.certificate.serial_number

        async def install(certificate: bytes, ca: bytes) -> None:
            replace_certificate(identity, certificate, ca)
            await link.renew_credentials(credentials(load_identity(tmp_path / "data", STATION)))

        renewal = Renewal(
            link,
            due=identity.renew_at,
            signing_request=lambda: identity.keys.signing_request(STATION),
            install=install,
        )

        renewed = await renewal.renew()
        again = load_identity(tmp_path / "data", STATION)
        answer = await link.request("POST", "/edge/v1/receipts", b"{}")
        await link.close()

    assert renewed
    assert again.certificate.serial_number != before
    assert answer.status == 204


async def test_a_certificate_that_cannot_be_used_is_told_and_the_old_one_goes_on(tmp_path, caplog):
    async with TestCloud(tmp_path / "cloud") as cloud:
        identity = cloud.identity(tmp_path / "data")
        link = CloudLink(cloud.url, credentials(identity))
        nowhere = replace(credentials(identity), key=tmp_path / "nowhere.pem")

        async def install(_certificate: bytes, _ca: bytes) -> None:
            await link.renew_credentials(nowhere)

        renewal = Renewal(
            link,
            due=lambda: dt.datetime.now(dt.UTC),
            signing_request=lambda: identity.keys.signing_request(STATION),
            install=install,
        )
        await link.request("POST", "/edge/v1/receipts", b"{}")
        parts = Supervisor()
        parts.start("renewal", renewal.run)
        await wait_for(lambda: parts.failures["renewal"], "the failure")
        await parts.stop()
        answer = await link.request("POST", "/edge/v1/receipts", b"{}")
        await link.close()

    assert "event=part_failed part=renewal" in caplog.text
    assert answer.status == 204


async def test_a_cloud_that_refuses_renewal_leaves_the_old_certificate(tmp_path):
    async with TestCloud(tmp_path / "cloud") as cloud:
        identity = cloud.identity(tmp_path / "data")
        cloud.always = "500"
        link = CloudLink(cloud.url, credentials(identity))
        installed = []

        async def install(*pems: bytes) -> None:
            installed.append(pems)

        renewal = Renewal(
            link,
            due=identity.renew_at,
            signing_request=lambda: b"csr",
            install=install,
        )

        assert not await renewal.renew()
        assert installed == []
        await link.close()
    shutil.rmtree(tmp_path / "data")
