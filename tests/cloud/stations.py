"""A station as the cloud meets it: keys, certificate, sealed messages; and the listeners."""

import asyncio
import base64
import contextlib
import datetime as dt
import hashlib
import secrets
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.x509.oid import NameOID
from psycopg import AsyncConnection

from cloud.access.pki import Authority, PeerIdentity
from cloud.db import Pool
from contract import layouts
from contract.canonical import canonical_json
from contract.envelope import Sealer, Stream
from contract.frame import Frame, encode_batch
from contract.layouts import Layout

T0_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z: the start of an hour."""


def frame(
    device: str = "METER",
    layout: Layout = layouts.METER,
    t0_ms: int = T0_MS,
    n: int = 2,
    *,
    seed: int = 0,
    step_ms: int = 1_000,
) -> Frame:
    """A frame whose raw values depend on device, signal and time only, so copies agree."""
    ticks = (t0_ms // step_ms + np.arange(n)) % 997
    values = []
    for number, column in enumerate(layout.columns):
        dtype = np.dtype(column.signal.dtype)
        base = (sum(device.encode()) * 31 + number * 17 + seed * 7919) % 1009
        cells = np.arange(column.repeat) * 3
        raw = (ticks[:, None] * (1 + number % 5) + base + cells) % (
            120 if dtype.itemsize == 1 else 30_000
        )
        values.append(raw.astype(dtype))
    quality = np.zeros((n, layout.width), dtype=np.uint8)
    return Frame(device, layout, t0_ms, step_ms, tuple(values), quality)


@dataclass
class FakeStation:
    """Keys of one station and the messages it makes."""

    id: str
    cloud_key: bytes
    epoch: int = 1
    signing: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    tls: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def __post_init__(self) -> None:
        self.new_epoch(self.epoch)

    def new_epoch(self, epoch: int) -> None:
        """Begin an epoch with a fresh key."""
        self.epoch = epoch
        public = X25519PublicKey.from_public_bytes(self.cloud_key)
        self.sealer = Sealer(self.id, public, self.signing, epoch)
        self.announcement = self.sealer.announcement.to_bytes()

    def batch(self, sequence: int, frames: Sequence[Frame]) -> bytes:
        """A sealed telemetry batch."""
        return self.sealer.seal(sequence, Stream.TELEMETRY, encode_batch(frames))

    def live(self, sequence: int, frames: Sequence[Frame]) -> bytes:
        """A sealed live image."""
        return self.sealer.seal(sequence, Stream.LIVE, encode_batch(frames))

    def csr(self) -> str:
        """A certificate signing request, PEM."""
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "whatever the station says")])
        request = x509.CertificateSigningRequestBuilder().subject_name(name)
        signed = request.sign(self.tls, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM).decode()

    def enrolment(self, token: str) -> dict[str, str]:
        """The body of an enrolment request."""
        raw = self.signing.public_key().public_bytes_raw()
        fields = {
            "token": token,
            "station": self.id,
            "csr": self.csr(),
            "signing_key": base64.b64encode(raw).decode(),
        }
        proof = self.signing.sign(canonical_json(fields))
        return fields | {"proof": base64.b64encode(proof).decode()}

    def context(self, authority: Authority, certificate: bytes) -> ssl.SSLContext:
        """A TLS context that shows `certificate`."""
        context = ssl.create_default_context(cadata=authority.certificate_pem.decode())
        key = self.tls.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        with tempfile.NamedTemporaryFile() as file:
            file.write(certificate + key)
            file.flush()
            context.load_cert_chain(file.name)
        return context


async def create_station(pool: Pool, station: str = "alpha") -> str:
    """Put a station and a token into the database as the console does; return the token."""
    token = secrets.token_urlsafe(32)
    async with pool.connection() as conn:
        await conn.execute(
            "INSERT INTO stations (id, name, rated_power_kw, capacity_kwh) VALUES (%s, %s, 1, 1)",
            [station, station],
        )
        await add_token(conn, station, token)
    return token


async def add_token(conn: AsyncConnection, station: str, token: str, hours: float = 24.0) -> None:
    """Store a token's hash."""
    await conn.execute(
        "INSERT INTO enrolment_tokens (token_hash, station, created_by, expires_at)"
        " VALUES (%s, %s, 'test', now() + %s)",
        [hashlib.sha256(token.encode()).digest(), station, dt.timedelta(hours=hours)],
    )


async def enrolled(pool: Pool, cloud_key: bytes, station: str = "alpha") -> FakeStation:
    """A station with its signing key in the database (its certificate: see `trusted`)."""
    await create_station(pool, station)
    made = FakeStation(station, cloud_key)
    async with pool.connection() as conn:
        await conn.execute(
            "UPDATE stations SET signing_key = %s, enrolled_at = now() WHERE id = %s",
            [made.signing.public_key().public_bytes_raw(), station],
        )
    return made


async def trusted(pool: Pool, station: str = "alpha", **override: object) -> PeerIdentity:
    """An identity whose certificate is in the book."""
    peer = PeerIdentity(
        station,
        secrets.token_bytes(32),
        secrets.token_hex(8),
        dt.datetime.now(dt.UTC) + dt.timedelta(days=1),
    )
    async with pool.connection() as conn:
        await conn.execute(
            "INSERT INTO certificates (serial, station, fingerprint, not_before, not_after,"
            " revoked_at) VALUES (%s, %s, %s, now(), %s, %s)",
            [
                peer.serial,
                station,
                peer.fingerprint,
                override.get("not_after", peer.not_after),
                override.get("revoked_at"),
            ],
        )
    return peer


@contextlib.asynccontextmanager
async def listening(
    app: object, tls: ssl.SSLContext | None, protocol: type[asyncio.Protocol]
) -> AsyncIterator[str]:
    """Serve an application on a free port of this loop; yields its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        http=protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
        ssl_context_factory=None if tls is None else lambda _c, _d: tls,
    )

    class Server(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self):
            yield

    server = Server(config)
    serving = asyncio.create_task(server.serve([listener]))
    while not server.started:  # noqa: ASYNC110 - uvicorn tells no event
        await asyncio.sleep(0.005)
    try:
        yield f"{'http' if tls is None else 'https'}://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await serving


def client(url: str, context: ssl.SSLContext) -> httpx.AsyncClient:
    """A client of a listener."""
    return httpx.AsyncClient(base_url=url, verify=context, timeout=10)


def folder() -> Path:
    """A new private folder that the database's account can pass through."""
    made = Path(tempfile.mkdtemp(prefix="sm-test-"))
    made.chmod(0o711)
    return made
