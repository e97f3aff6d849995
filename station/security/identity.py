"""The station's identity: two keys made here that never leave, and what the cloud gave for them.

The folder ``identity`` holds the TLS key (EC P-256) with its certificate, the signing key
(Ed25519) for receipts and epoch keys, the cloud's authority, its X25519 key that telemetry is
sealed for, and the Ed25519 keys that may give orders, pinned at enrolment. Keys are readable
by their owner only; a folder is written whole or not at all.
"""

import base64
import json
import os
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.x509.oid import NameOID

from station.security.errors import IdentityError

FOLDER = "identity"
_TLS_KEY, _CERTIFICATE, _AUTHORITY = "tls.key", "tls.pem", "authority.pem"
_SIGNING_KEY, _FACTS = "signing.key", "identity.json"
_OWNER_ONLY = 0o600
_RENEW_AFTER = 2 / 3
"""A certificate is renewed when this share of its life is over."""


@dataclass(frozen=True)
class CloudTrust:
    """What the cloud gave at enrolment.

    Attributes:
        certificate: PEM of the station's client certificate.
        authority: PEM of the authority that signs both sides' certificates.
        cloud_key: X25519 public key, 32 bytes.
        order_keys: Ed25519 public keys that may give orders, 32 bytes each, by key id.
    """

    certificate: bytes
    authority: bytes
    cloud_key: bytes
    order_keys: Mapping[str, bytes]


@dataclass(frozen=True)
class StationKeys:
    """The two private keys of a station."""

    tls: ec.EllipticCurvePrivateKey
    signing: Ed25519PrivateKey

    @classmethod
    def generate(cls) -> "StationKeys":
        """Make new keys."""
        return cls(ec.generate_private_key(ec.SECP256R1()), Ed25519PrivateKey.generate())

    def signing_request(self, station: str) -> bytes:
        """Return a CSR (PEM) for ``urn:stationmaster:station:ID``, signed by the TLS key."""
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, station)])
        uri = x509.UniformResourceIdentifier(f"urn:stationmaster:station:{station}")
        request = (
            x509.CertificateSigningRequestBuilder()
            .subject_name(name)
            .add_extension(x509.SubjectAlternativeName([uri]), critical=False)
            .sign(self.tls, hashes.SHA256())
        )
        return request.public_bytes(serialization.Encoding.PEM)


@dataclass(frozen=True)
class Identity:
    """A usable identity, loaded and checked."""

    station: str
    folder: Path
    keys: StationKeys
    certificate: x509.Certificate
    cloud_key: X25519PublicKey
    order_keys: Mapping[str, Ed25519PublicKey]

    @property
    def certificate_file(self) -> Path:
        """PEM of the client certificate."""
        return self.folder / _CERTIFICATE

    @property
    def key_file(self) -> Path:
        """PEM of its private key."""
        return self.folder / _TLS_KEY

    @property
    def authority_file(self) -> Path:
        """PEM of the cloud's authority."""
        return self.folder / _AUTHORITY

    def renew_at(self) -> datetime:
        """Return when the certificate should be renewed: at two thirds of its life."""
        begin = self.certificate.not_valid_before_utc
        return begin + (self.certificate.not_valid_after_utc - begin) * _RENEW_AFTER

    def expired(self, now: datetime | None = None) -> bool:
        """Whether the certificate is over."""
        return (now or datetime.now(UTC)) >= self.certificate.not_valid_after_utc


def load_identity(data_dir: Path, station: str) -> Identity:
    """Load the identity that enrolment left.

    Raises:
        IdentityError: not enrolled, another station's identity, damaged, or open to others.
    """
    folder = data_dir / FOLDER
    if not folder.is_dir():
        raise IdentityError(
            f"{folder} does not exist: this station is not enrolled; run "
            "'./stationmaster station FILE --enrol --token-file TOKEN' (docs/engineer.md)"
        )
    for name in (_TLS_KEY, _SIGNING_KEY):
        _require_private(folder / name)
    try:
        facts = json.loads((folder / _FACTS).read_text())
        tls = serialization.load_pem_private_key((folder / _TLS_KEY).read_bytes(), None)
        signing = serialization.load_pem_private_key((folder / _SIGNING_KEY).read_bytes(), None)
        identity = Identity(
            station=str(facts["station"]),
            folder=folder,
            keys=_typed_keys(tls, signing),
            certificate=x509.load_pem_x509_certificate((folder / _CERTIFICATE).read_bytes()),
            cloud_key=X25519PublicKey.from_public_bytes(base64.b64decode(facts["cloud_key"])),
            order_keys={
                name: Ed25519PublicKey.from_public_bytes(base64.b64decode(raw))
                for name, raw in facts["order_keys"].items()
            },
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise IdentityError(
            f"{folder} is damaged ({error!r}); move it away and enrol with a new token"
        ) from error
    if identity.station != station:
        raise IdentityError(
            f"{folder} belongs to station {identity.station!r}, the configuration says "
            f"{station!r}; use the right data_dir or enrol anew"
        )
    return identity


def _typed_keys(tls: object, signing: object) -> StationKeys:
    if not isinstance(tls, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{_TLS_KEY} is no EC key")  # noqa: TRY004 - a damaged file, not a bug
    if not isinstance(signing, Ed25519PrivateKey):
        raise ValueError(f"{_SIGNING_KEY} is no Ed25519 key")  # noqa: TRY004
    return StationKeys(tls, signing)


def _require_private(file: Path) -> None:
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
    except OSError as error:
        raise IdentityError(f"{file} cannot be read; enrol with a new token") from error
    if mode & 0o077:
        raise IdentityError(
            f"{file} has mode {mode:o}: others may read this key; run 'chmod 600 {file}' when "
            "nobody has, else enrol with a new token"
        )


def save_identity(data_dir: Path, station: str, keys: StationKeys, trust: CloudTrust) -> None:
    """Write the identity folder whole, replacing an earlier one."""
    folder, staging = data_dir / FOLDER, data_dir / f"{FOLDER}.new"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True, mode=0o700)
    facts = {
        "station": station,
        "cloud_key": base64.b64encode(trust.cloud_key).decode(),
        "order_keys": {
            name: base64.b64encode(raw).decode() for name, raw in trust.order_keys.items()
        },
    }
    _write(staging / _TLS_KEY, _private_pem(keys.tls))
    _write(staging / _SIGNING_KEY, _private_pem(keys.signing))
    _write(staging / _CERTIFICATE, trust.certificate)
    _write(staging / _AUTHORITY, trust.authority)
    _write(staging / _FACTS, json.dumps(facts, indent=2).encode())
    if folder.exists():
        old = data_dir / f"{FOLDER}.old"
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
    staging.rename(folder)
    shutil.rmtree(data_dir / f"{FOLDER}.old", ignore_errors=True)


def replace_certificate(identity: Identity, certificate: bytes, authority: bytes) -> None:
    """Put a renewed certificate (same key) in the place of the old one."""
    for file, content in (
        (identity.authority_file, authority),
        (identity.certificate_file, certificate),
    ):
        staging = file.with_suffix(".new")
        staging.unlink(missing_ok=True)
        _write(staging, content)
        staging.rename(file)


def _private_pem(key: ec.EllipticCurvePrivateKey | Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write(file: Path, content: bytes) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
