"""The small certificate authority of the stations.

It signs client certificates for stations (URI name `urn:stationmaster:station:ID`) and the
server certificates of our own edge and enrolment listeners. Keys are ECDSA P-256 here; a station
may use P-256 or Ed25519. What a station writes into its CSR is not believed: only its public
key is taken; name, lifetime and use are ours.
"""

import datetime as dt
import hashlib
import ipaddress
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cloud.errors import EnrolmentRefused, IdentityRefused, KeyStoreError
from cloud.private_files import make_private_folder, read_or_make

STATION_URN: Final = "urn:stationmaster:station:"
SERVER_FOLDER: Final = "tls"
"""In data_dir: certificate and key of this cloud's own listeners; each cloud has its own."""
_AUTHORITY_YEARS: Final = 20
_STATION_DAYS: Final = 90
_SERVER_DAYS: Final = 90
_RENEW_BEFORE: Final = dt.timedelta(days=30)
_BACKDATE: Final = dt.timedelta(minutes=5)
"""Tolerated lag of a station's clock."""


@dataclass(frozen=True)
class PeerIdentity:
    """Who a verified client certificate says it is.

    Attributes:
        station: id from the URI name.
        fingerprint: SHA-256 of the certificate, 32 bytes.
        serial: hexadecimal, as in the table `certificates`.
        not_after: end of its validity.
    """

    station: str
    fingerprint: bytes
    serial: str
    not_after: dt.datetime


@dataclass(frozen=True)
class IssuedCertificate:
    """A certificate just signed for a station."""

    pem: bytes
    identity: PeerIdentity
    not_before: dt.datetime


class Authority:
    """The certificate authority: one key, kept in the folder of keys."""

    def __init__(self, folder: Path, served: Path | None = None) -> None:
        """Open the authority of `folder`, or found it there; `served` holds server certificates.

        Raises:
            KeyStoreError: its files cannot be used.
        """
        self._served = served or folder
        key_file, certificate_file = folder / "authority.pem", folder / "authority-certificate.pem"
        read_or_make(key_file, lambda: _pem(ec.generate_private_key(ec.SECP256R1())))
        self._key = _load_key(key_file)
        self.certificate_file = certificate_file
        self.certificate_pem = read_or_make(certificate_file, lambda: _self_sign(self._key))
        self._certificate = x509.load_pem_x509_certificate(self.certificate_pem)

    def issue_station(self, station: str, csr_pem: bytes) -> IssuedCertificate:
        """Sign a client certificate for `station` over the public key of its CSR.

        Raises:
            EnrolmentRefused: not a CSR, not signed by its own key, or another kind of key.
        """
        try:
            csr = x509.load_pem_x509_csr(csr_pem)
            proven = csr.is_signature_valid
        except (ValueError, InvalidSignature) as error:
            raise EnrolmentRefused("csr is not a PEM certificate signing request") from error
        public = csr.public_key()
        if not proven:
            raise EnrolmentRefused("csr is not signed by its own key")
        usable = isinstance(public, Ed25519PublicKey) or (
            isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, ec.SECP256R1)
        )
        if not usable:
            raise EnrolmentRefused("the key of the csr must be ECDSA P-256 or Ed25519")
        now = dt.datetime.now(dt.UTC)
        builder = (
            self._builder(station, now, dt.timedelta(days=_STATION_DAYS))
            .public_key(public)
            .add_extension(
                x509.SubjectAlternativeName(
                    [x509.UniformResourceIdentifier(STATION_URN + station)]
                ),
                critical=False,
            )
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        )
        certificate = builder.sign(self._key, hashes.SHA256())
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        return IssuedCertificate(
            pem,
            read_identity(certificate.public_bytes(serialization.Encoding.DER)),
            certificate.not_valid_before_utc,
        )

    def server_files(self, names: Iterable[str]) -> tuple[Path, Path]:
        """Return certificate and key files of our listeners, made anew when they run out."""
        make_private_folder(self._served)
        certificate_file = self._served / "server-certificate.pem"
        key_file = self._served / "server.pem"
        wanted = {"127.0.0.1", "localhost", *names}
        read_or_make(key_file, lambda: _pem(ec.generate_private_key(ec.SECP256R1())))
        if not self._server_certificate_fits(certificate_file, wanted):
            certificate = self._sign_server(_load_key(key_file).public_key(), wanted)
            staging = certificate_file.with_suffix(f".{os.getpid()}.new")
            staging.write_bytes(certificate + self.certificate_pem)
            staging.replace(certificate_file)
        return certificate_file, key_file

    def _server_certificate_fits(self, file: Path, wanted: set[str]) -> bool:
        if not file.exists():
            return False
        certificate = x509.load_pem_x509_certificate(file.read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        has = {str(name.value) for name in names}
        fresh = certificate.not_valid_after_utc - dt.datetime.now(dt.UTC) > _RENEW_BEFORE
        return fresh and wanted <= has and certificate.issuer == self._certificate.subject

    def _sign_server(self, public: ec.EllipticCurvePublicKey, names: set[str]) -> bytes:
        now = dt.datetime.now(dt.UTC)
        builder = (
            self._builder("stationmaster cloud", now, dt.timedelta(days=_SERVER_DAYS))
            .public_key(public)
            .add_extension(
                x509.SubjectAlternativeName([_general_name(name) for name in sorted(names)]),
                critical=False,
            )
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        )
        certificate = builder.sign(self._key, hashes.SHA256())
        return certificate.public_bytes(serialization.Encoding.PEM)

    def _builder(
        self, common_name: str, now: dt.datetime, lifetime: dt.timedelta
    ) -> x509.CertificateBuilder:
        authority_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
            .issuer_name(self._certificate.subject)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BACKDATE)
            .not_valid_after(now + lifetime)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(authority_key, critical=False)
        )


def read_identity(der: bytes) -> PeerIdentity:
    """Read who a certificate (DER) is for; its signature has been verified by TLS.

    Raises:
        IdentityRefused: it has no station name of ours.
    """
    certificate = x509.load_der_x509_certificate(der)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    except x509.ExtensionNotFound:
        uris = []
    stations = [uri.removeprefix(STATION_URN) for uri in uris if uri.startswith(STATION_URN)]
    if len(stations) != 1:
        raise IdentityRefused("the client certificate names no station")
    return PeerIdentity(
        stations[0],
        hashlib.sha256(der).digest(),
        f"{certificate.serial_number:x}",
        certificate.not_valid_after_utc,
    )


def _self_sign(key: ec.EllipticCurvePrivateKey) -> bytes:
    now = dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Stationmaster station authority")])
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATE)
        .not_valid_after(now + dt.timedelta(days=365 * _AUTHORITY_YEARS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _load_key(file: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    except (OSError, ValueError) as error:
        raise KeyStoreError(f"{file}: is not a readable key; restore it from the backup") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise KeyStoreError(f"{file}: must be an ECDSA P-256 key")
    return key
