"""A cloud that takes everything and keeps nothing, in a process of its own: mutual TLS, HTTP/1.1.

A station of full size is measured with its whole way out - sealing, queue, TLS - but without
the processor time of a database beside it. The station's identity is made here as well.
"""

import asyncio
import contextlib
import datetime as dt
import ipaddress
import multiprocessing
import ssl
from collections.abc import Iterator
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.x509.oid import NameOID

from station.security.identity import CloudTrust, StationKeys, save_identity

_DAY = dt.timedelta(days=1)
_POLL_S = 25.0
_STORED = b'{"result": "stored"}'


@contextlib.contextmanager
def taking(folder: Path, data_dir: Path, station: str) -> Iterator[str]:
    """Enrol a station with a cloud of its own and run that cloud; gives its address."""
    key = ec.generate_private_key(ec.SECP256R1())
    _write_authority(folder, key)
    _enrol(data_dir, station, key)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, str(folder)), daemon=True)
    process.start()
    try:
        yield f"https://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join()


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _signed(
    key: ec.EllipticCurvePrivateKey, public: ec.EllipticCurvePublicKey, common: str, *, ca: bool
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(common))
        .issuer_name(_name("bench authority"))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + 30 * _DAY)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=0 if ca else None), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _write_authority(folder: Path, key: ec.EllipticCurvePrivateKey) -> None:
    """Write the authority's certificate, and certificate and key of the server."""
    authority = _signed(key, key.public_key(), "bench authority", ca=True)
    server = ec.generate_private_key(ec.SECP256R1())
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    of_server = _signed(key, server.public_key(), "bench cloud", ca=False).add_extension(
        x509.SubjectAlternativeName([address]), critical=False
    )
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(authority.sign(key, hashes.SHA256()).public_bytes(pem))
    (folder / "server.pem").write_bytes(of_server.sign(key, hashes.SHA256()).public_bytes(pem))
    (folder / "server.key").write_bytes(
        server.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def _enrol(data_dir: Path, station: str, key: ec.EllipticCurvePrivateKey) -> None:
    keys = StationKeys.generate()
    uri = x509.UniformResourceIdentifier(f"urn:stationmaster:station:{station}")
    certificate = (
        _signed(key, keys.tls.public_key(), station, ca=False)
        .add_extension(x509.SubjectAlternativeName([uri]), critical=False)
        .sign(key, hashes.SHA256())
    )
    authority = _signed(key, key.public_key(), "bench authority", ca=True)
    pem = serialization.Encoding.PEM
    trust = CloudTrust(
        certificate=certificate.public_bytes(pem),
        authority=authority.sign(key, hashes.SHA256()).public_bytes(pem),
        cloud_key=X25519PrivateKey.generate().public_key().public_bytes_raw(),
        order_keys={},
    )
    data_dir.mkdir(parents=True, exist_ok=True)
    save_identity(data_dir, station, keys, trust)


def _serve(pipe: Pipe, folder: str) -> None:
    """Serve for ever in a process of its own; tell the port first."""
    files = Path(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(files / "server.pem", files / "server.key")
    context.load_verify_locations(files / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED

    async def forever() -> None:
        server = await asyncio.start_server(_talk, "127.0.0.1", 0, ssl=context)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(forever())


async def _talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer every request of a connection as a cloud does that stores all and orders nothing."""
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            fields = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
            await reader.readexactly(int(fields.get("content-length", 0)))
            path = head[0].split(" ")[1]
            if "/orders" in path:
                await asyncio.sleep(_POLL_S)
            stores = any(part in path for part in ("/batches", "/events", "/commands"))
            body = _STORED if stores else b""
            status = 200 if stores else 204
            writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n\r\n".encode())
            writer.write(body)
            await writer.drain()
    writer.close()
