"""Enrolment: a one-time token becomes the station's identity.

The keys are made here; the token, a CSR signed by the TLS key and the public signing key go
to the cloud's enrolment listener, whose certificate must come from the authority given in the
configuration. The request is signed by the signing key, so whoever holds the token must also
hold the keys. The answer is checked before anything is written.
"""

import base64
import binascii
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from contract.canonical import canonical_json
from station.security.errors import IdentityError
from station.security.identity import CloudTrust, StationKeys, save_identity

_TIMEOUT_S = 20.0
_PATH = "/enrol/v1"


@dataclass(frozen=True)
class EnrolmentOffer:
    """Where and as whom to enrol."""

    station: str
    url: str
    authority: Path
    token: str


def enrol(offer: EnrolmentOffer, data_dir: Path) -> None:
    """Enrol and write the identity; nothing is written when the cloud refuses.

    Raises:
        IdentityError: the cloud cannot be reached, is not the one expected, or refuses.
    """
    keys = StationKeys.generate()
    answer = _post(offer, _request(offer, keys))
    trust = _trust(answer, keys, offer)
    data_dir.mkdir(parents=True, exist_ok=True)
    save_identity(data_dir, offer.station, keys, trust)


def read_token(file: Path) -> str:
    """Read a token file.

    Raises:
        IdentityError: it cannot be read or is empty.
    """
    try:
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise IdentityError(f"token file {file} cannot be read: {error}") from error
    if not token:
        raise IdentityError(f"token file {file} is empty; ask for a new enrolment token")
    return token


def _request(offer: EnrolmentOffer, keys: StationKeys) -> dict[str, str]:
    public = keys.signing.public_key().public_bytes_raw()
    fields = {
        "token": offer.token,
        "station": offer.station,
        "csr": keys.signing_request(offer.station).decode(),
        "signing_key": base64.b64encode(public).decode(),
    }
    proof = keys.signing.sign(canonical_json(fields))
    return {**fields, "proof": base64.b64encode(proof).decode()}


def _post(offer: EnrolmentOffer, request: dict[str, str]) -> dict[str, Any]:
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_verify_locations(offer.authority)
    except OSError as error:
        raise IdentityError(
            f"authority file {offer.authority} cannot be used: {error}; get the cloud's again"
        ) from error
    try:
        with httpx.Client(verify=context, trust_env=False, timeout=_TIMEOUT_S) as client:
            answer = client.post(offer.url.rstrip("/") + _PATH, json=request)
    except httpx.HTTPError as error:
        raise IdentityError(
            f"enrolment at {offer.url} failed: {error}; check the address and that "
            f"{offer.authority} is the authority of this cloud"
        ) from error
    try:
        found = answer.json()
    except ValueError:
        found = {}
    if answer.status_code != httpx.codes.OK or not isinstance(found, dict):
        detail = found.get("reason") or found.get("detail") or found.get("code") or answer.text
        raise IdentityError(
            f"the cloud refused to enrol {offer.station!r} ({answer.status_code}): "
            f"{str(detail)[:300]}; tokens work once and for 24 hours"
        )
    return found


def _trust(answer: dict[str, Any], keys: StationKeys, offer: EnrolmentOffer) -> CloudTrust:
    """Check that the answer fits our keys and our name before it is believed."""
    try:
        trust = CloudTrust(
            certificate=str(answer["certificate"]).encode(),
            authority=str(answer["ca"]).encode(),
            cloud_key=base64.b64decode(answer["cloud_key"], validate=True),
            order_keys={
                str(name): base64.b64decode(raw, validate=True)
                for name, raw in answer["order_keys"].items()
            },
        )
        certificate = x509.load_pem_x509_certificate(trust.certificate)
    except (KeyError, AttributeError, TypeError, ValueError, binascii.Error) as error:
        raise IdentityError(f"the cloud's answer to enrolment is incomplete: {error!r}") from error
    require_own_certificate(certificate, keys, offer.station)
    if not trust.order_keys:
        raise IdentityError("the cloud named no key that may give orders; update the cloud")
    return trust


def require_own_certificate(certificate: x509.Certificate, keys: StationKeys, station: str) -> None:
    """Check that a certificate is for our key and our name.

    Raises:
        IdentityError: it is not.
    """
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    ours = keys.tls.public_key().public_bytes(*form)
    if certificate.public_key().public_bytes(*form) != ours:
        raise IdentityError("the cloud's certificate is for another key; enrol again")
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    except x509.ExtensionNotFound:
        uris = []
    if f"urn:stationmaster:station:{station}" not in uris:
        raise IdentityError(f"the cloud's certificate is not for station {station!r}")
