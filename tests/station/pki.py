"""A small authority for tests: server and client certificates signed on the spot."""

import datetime as dt
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = dt.datetime.now(dt.UTC)


class TestAuthority:
    """Signs what it is asked to."""

    __test__ = False

    def __init__(self, name: str = "test authority") -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = (
            self._builder(self.name, self.key.public_key(), dt.timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False
            )
            .sign(self.key, hashes.SHA256())
        )
        self.pem = self.certificate.public_bytes(serialization.Encoding.PEM)

    def _builder(self, subject, public, life):
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - dt.timedelta(hours=1))
            .not_valid_after(NOW + life)
        )

    def _leaf(self, subject, public, names, life):
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        return (
            self._builder(subject, public, life)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(authority, critical=False)
            .sign(self.key, hashes.SHA256())
            .public_bytes(serialization.Encoding.PEM)
        )

    def server_files(self, folder: Path) -> tuple[Path, Path]:
        """Certificate and key of a server on 127.0.0.1."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test server")])
        names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        certificate_file, key_file = folder / "server.pem", folder / "server.key"
        certificate_file.write_bytes(
            self._leaf(subject, key.public_key(), names, dt.timedelta(days=1))
        )
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return certificate_file, key_file

    def sign_station(
        self, csr_pem: bytes, station: str, life: dt.timedelta = dt.timedelta(days=30)
    ) -> bytes:
        """A client certificate for a station's CSR."""
        csr = x509.load_pem_x509_csr(csr_pem)
        names = [x509.UniformResourceIdentifier(f"urn:stationmaster:station:{station}")]
        return self._leaf(csr.subject, csr.public_key(), names, life)
