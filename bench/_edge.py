"""A cloud of real processes and an enrolled station at its door, for benchmarks.

The cloud runs embedded PostgreSQL that syncs every commit. Its jobs are put off, so that a
benchmark does them itself, one at a time. The station speaks mutual TLS 1.3; senders share the
machine with the cloud, so both ends share its cores.
"""

import asyncio
import base64
import hashlib
import json
import secrets
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.x509.oid import NameOID

from cloud.db.postgres import EmbeddedPostgres
from contract.canonical import canonical_json
from contract.envelope import Sealer
from contract.layout import Layout

_CONFIG = """data_dir = "data"
workers = {workers}
[history]
compact_every_s = 86400
rollup_every_s = 86400
"""
_SENDERS = 8
_STOP_S = 30


@dataclass(frozen=True)
class Home:
    """A folder with the configuration and the data of a cloud."""

    config: Path

    @property
    def database(self) -> EmbeddedPostgres:
        """Its PostgreSQL, to start or to ask for its address."""
        return EmbeddedPostgres(self.config.parent / "data" / "postgres")

    @contextmanager
    def running(self) -> Iterator[dict[str, str]]:
        """Run the cloud in the block; gives the addresses of its listeners."""
        with (self.config.parent / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "cloud", str(self.config)],
                stdout=subprocess.PIPE,
                stderr=log,
            )
        try:
            yield _ready(process)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(_STOP_S)


@contextmanager
def new_home(workers: int) -> Iterator[Home]:
    """Make a home with so many web workers; it is removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="stationmaster-bench-"))
    folder.chmod(0o711)
    config = folder / "cloud.toml"
    config.write_text(_CONFIG.format(workers=workers))
    try:
        yield Home(config)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _ready(process: subprocess.Popen[bytes]) -> dict[str, str]:
    assert process.stdout is not None  # noqa: S101 - asked for a pipe above
    for raw in process.stdout:
        line: dict[str, Any] = json.loads(raw)
        if line.get("ready"):
            return dict(line["addresses"])
    raise RuntimeError("the cloud did not start")


@dataclass(frozen=True)
class Station:
    """An enrolled station: seals messages and opens connections."""

    sealer: Sealer
    context: ssl.SSLContext
    url: str

    def client(self) -> httpx.AsyncClient:
        """A client with the station's certificate."""
        return httpx.AsyncClient(base_url=self.url, verify=self.context, timeout=30)

    async def announce(self, layouts: Sequence[Layout]) -> None:
        """Tell the cloud the keys of this epoch, and what layouts the frames will have."""
        async with self.client() as client:
            announced = self.sealer.announcement.to_bytes()
            (await client.post("/edge/v1/keys", content=announced)).raise_for_status()
            for layout in layouts:
                path = f"/edge/v1/layouts/{layout.hash8.hex()}"
                (await client.put(path, content=layout.to_json())).raise_for_status()

    async def send(self, bodies: Sequence[bytes]) -> tuple[float, list[float]]:
        """Send sealed batches over several connections at once.

        Returns:
            Seconds from the first offer to the last answer, and of each offer to its answer,
            which comes after the commit.
        """
        waiting, times = list(reversed(bodies)), []

        async def send() -> None:
            async with self.client() as client:
                while waiting:
                    body = waiting.pop()
                    began = time.perf_counter()
                    answer = await client.post("/edge/v1/batches", content=body)
                    answer.raise_for_status()
                    times.append(time.perf_counter() - began)

        began = time.perf_counter()
        await asyncio.gather(*(send() for _ in range(_SENDERS)))
        return time.perf_counter() - began, times


def add_station(dsn: str, station: str) -> None:
    """Enter a station into the table of stations."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO stations (id, name, rated_power_kw, capacity_kwh) VALUES (%s, %s, 1, 1)",
            [station, station],
        )


def enrol(addresses: dict[str, str], dsn: str, station: str) -> Station:
    """Add a station and enrol it as a real one does: token, proof of its key, certificate."""
    token = secrets.token_urlsafe()
    add_station(dsn, station)
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO enrolment_tokens (token_hash, station, created_by, expires_at)"
            " VALUES (%s, %s, 'bench', now() + interval '1 hour')",
            [hashlib.sha256(token.encode()).digest(), station],
        )
    signing, tls = Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, station)])
    csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(tls, hashes.SHA256())
    fields = {
        "token": token,
        "station": station,
        "csr": csr.public_bytes(serialization.Encoding.PEM).decode(),
        "signing_key": base64.b64encode(signing.public_key().public_bytes_raw()).decode(),
    }
    proof = base64.b64encode(signing.sign(canonical_json(fields))).decode()
    context = ssl.create_default_context(cafile=addresses["ca"])
    with httpx.Client(verify=context) as client:
        answer = client.post(f"{addresses['enrol']}/enrol/v1", json=fields | {"proof": proof})
    granted = answer.raise_for_status().json()
    with tempfile.NamedTemporaryFile() as file:
        file.write(granted["certificate"].encode() + _pem(tls))
        file.flush()
        context.load_cert_chain(file.name)
    cloud_key = X25519PublicKey.from_public_bytes(base64.b64decode(granted["cloud_key"]))
    return Station(Sealer(station, cloud_key, signing, 1), context, addresses["edge"])


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
