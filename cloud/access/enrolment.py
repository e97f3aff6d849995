"""Enrolment: a one-time token turns a key pair made at the station into a known station.

The station proves both keys: the CSR is signed by its TLS key, and the request by its Ed25519
signing key. A token is bound to one station, kept only as a hash, works once and for 24 hours.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from psycopg import AsyncConnection

from cloud.access.pki import Authority, IssuedCertificate, PeerIdentity
from cloud.db.pool import Pool, connection
from cloud.errors import EnrolmentRefused, IdentityRefused
from contract.canonical import canonical_json

_KEY_BYTES = 32


@dataclass(frozen=True)
class EnrolmentRequest:
    """What a station sends. `proof` covers all other fields."""

    token: str
    station: str
    csr: str
    signing_key: str
    proof: str


async def enrol(pool: Pool, authority: Authority, request: EnrolmentRequest) -> IssuedCertificate:
    """Use up the token, keep the station's signing key, and sign its certificate.

    Certificates of an earlier enrolment of the same station are revoked.

    Raises:
        EnrolmentRefused: wrong proof, key or CSR; or the token is unknown, used or too old.
    """
    signing_key = check_proof(request)
    issued = authority.issue_station(request.station, request.csr.encode())
    token_hash = hashlib.sha256(request.token.encode()).digest()
    async with connection(pool) as conn, conn.transaction():
        cursor = await conn.execute(
            "UPDATE enrolment_tokens SET used_at = now() WHERE token_hash = %b AND station = %s"
            " AND used_at IS NULL AND expires_at > now() RETURNING 1",
            [token_hash, request.station],
        )
        if await cursor.fetchone() is None:
            raise EnrolmentRefused(
                "the token is unknown, used, too old, or for another station: make a new one"
            )
        await conn.execute(
            "UPDATE certificates SET revoked_at = now(), revoked_reason = 'enrolled again'"
            " WHERE station = %s AND revoked_at IS NULL",
            [request.station],
        )
        await conn.execute(
            "UPDATE stations SET signing_key = %b, enrolled_at = now() WHERE id = %s",
            [signing_key, request.station],
        )
        await _keep(conn, issued)
    return issued


def check_proof(request: EnrolmentRequest) -> bytes:
    """Return the raw signing key after checking that it signed the request."""
    fields = {name: value for name, value in vars(request).items() if name != "proof"}
    try:
        raw = base64.b64decode(request.signing_key, validate=True)
        key = Ed25519PublicKey.from_public_bytes(raw)
        key.verify(base64.b64decode(request.proof, validate=True), canonical_json(fields))
    except (binascii.Error, ValueError) as error:
        raise EnrolmentRefused(
            f"signing_key must be {_KEY_BYTES} bytes of Ed25519 in base64, proof base64"
        ) from error
    except InvalidSignature as error:
        raise EnrolmentRefused("proof is not the signing key's signature of the request") from error
    return raw


async def renew(
    pool: Pool, authority: Authority, peer: PeerIdentity, csr: str
) -> IssuedCertificate:
    """Sign a further certificate for a station that proves itself by its present one."""
    issued = authority.issue_station(peer.station, csr.encode())
    async with connection(pool) as conn:
        await _keep(conn, issued)
    return issued


async def revoke(pool: Pool, station: str, reason: str) -> int:
    """Revoke all certificates of a station; return how many were valid until now."""
    async with connection(pool) as conn:
        cursor = await conn.execute(
            "UPDATE certificates SET revoked_at = now(), revoked_reason = %s"
            " WHERE station = %s AND revoked_at IS NULL",
            [reason, station],
        )
        return cursor.rowcount


async def require_valid(pool: Pool, peer: PeerIdentity) -> None:
    """Check a peer's certificate against the book of certificates, now.

    Raises:
        IdentityRefused: unknown here, revoked, or past its end.
    """
    async with connection(pool) as conn:
        cursor = await conn.execute(
            "SELECT station, revoked_at IS NULL, not_after > now() FROM certificates"
            " WHERE fingerprint = %b",
            [peer.fingerprint],
        )
        row = await cursor.fetchone()
    if row is None or row[0] != peer.station:
        raise IdentityRefused("this certificate was not issued here", code="unknown_certificate")
    if not row[1]:
        raise IdentityRefused("this certificate is revoked", code="revoked")
    if not row[2]:
        raise IdentityRefused("this certificate has expired", code="expired")


async def _keep(conn: AsyncConnection[Any], issued: IssuedCertificate) -> None:
    identity = issued.identity
    await conn.execute(
        "INSERT INTO certificates (serial, station, fingerprint, not_before, not_after)"
        " VALUES (%s, %s, %b, %s, %s)",
        [
            identity.serial,
            identity.station,
            identity.fingerprint,
            issued.not_before,
            identity.not_after,
        ],
    )
