"""Ingest through the real door: HTTPS with mutual TLS 1.3 to the commit, then compaction.

A cloud of real processes (one worker, embedded PostgreSQL that syncs every commit) takes sealed
batches of the default plant (46 devices, 2 s and 10 s each) from a number of senders in one
process of its own on the same machine, so both ends share its cores. Then every batch is
compacted, hours are merged, and the bytes on disk are divided by the values. The latency from
the offer to the first answer of a query that holds the sample is measured as a reader sees it.
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
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psycopg
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.x509.oid import NameOID

from bench._plant import T0_MS, plant, values_of
from bench._rows import array_rows, narrow_rows
from cloud.app import open_worker
from cloud.config import load
from cloud.db.postgres import EmbeddedPostgres
from cloud.history import Resolution, SignalRef
from cloud.history.compaction import Compactor
from cloud.history.vault import Vault
from contract.canonical import canonical_json
from contract.envelope import Sealer, Stream
from contract.frame import Frame, encode_batch

Row = dict[str, Any]

_SENDERS = 8
_HOUR_S = 3_600
_STATION = "bench"
_CONFIG = 'data_dir = "data"\n[history]\ncompact_every_s = 3600\nrollup_every_s = 3600\n'
_LATENCIES = 100
_BATCH_S = 10
_PASS_S = 30
"""Period of compaction in production."""
_PEER_S = 20


def run() -> list[Row]:
    """Measure and return the rows; takes about a minute."""
    home = Path(tempfile.mkdtemp(prefix="stationmaster-bench-"))
    home.chmod(0o711)
    config = home / "cloud.toml"
    config.write_text(_CONFIG)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "cloud", str(config)],
        stdout=subprocess.PIPE,
        stderr=(home / "log").open("wb"),
    )
    try:
        addresses = _ready(process)
        dsn = EmbeddedPostgres(home / "data" / "postgres").dsn
        return asyncio.run(_measure(config, addresses, dsn))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        shutil.rmtree(home, ignore_errors=True)


def _ready(process: subprocess.Popen[bytes]) -> dict[str, str]:
    assert process.stdout is not None  # noqa: S101 - asked for a pipe above
    for raw in process.stdout:
        line: dict[str, Any] = json.loads(raw)
        if line.get("ready"):
            return dict(line["addresses"])
    raise RuntimeError("the cloud did not start")


@dataclass(frozen=True)
class _Station:
    sealer: Sealer
    context: ssl.SSLContext
    url: str

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, verify=self.context, timeout=30)


async def _measure(config: Path, addresses: dict[str, str], dsn: str) -> list[Row]:
    station, hour = _enrol(addresses, dsn), plant(_HOUR_S)
    async with station.client() as client:
        announced = station.sealer.announcement.to_bytes()
        (await client.post("/edge/v1/keys", content=announced)).raise_for_status()
        for layout in {frame.layout.hash8: frame.layout for frame in hour}.values():
            path = f"/edge/v1/layouts/{layout.hash8.hex()}"
            (await client.put(path, content=layout.to_json())).raise_for_status()
    sequence = iter(range(1, 1 << 40))
    rows: list[Row] = []
    for seconds, count in ((2, 400), (10, 200)):
        bodies = _bodies(station, hour, seconds, count, sequence)
        rows += await _throughput(station, bodies, seconds, _values(hour, seconds))
    async with open_worker(load(config), dsn) as worker:
        rows.append(await _latency(station, hour, sequence, worker.services.history))
        edge, keys = worker.edge, worker.services.keys
        vault = Vault(edge.pool, keys)
        compactor = Compactor(edge.pool, edge.epochs, vault, edge.layouts)
        rows += await _disk(station, hour, sequence, compactor, worker.services.history)
    return _with_peers(rows, dsn, [_cut(frame, 0, _PEER_S) for frame in hour])


def _with_peers(rows: list[Row], dsn: str, frames: Sequence[Frame]) -> list[Row]:
    """Put beside our figures what plain tables do in the same server with the same numbers."""
    peers = {
        "PostgreSQL, row per value": narrow_rows(dsn, frames),
        "PostgreSQL, array row per sample": array_rows(dsn, frames),
    }
    for row in rows:
        if row["name"].endswith("committed") and row["unit"] == "values/s":
            row["peers"] = {name: round(peer.values_per_s) for name, peer in peers.items()}
        if row["name"].startswith("on disk"):
            row["peers"] = {name: round(peer.bytes_per_value, 2) for name, peer in peers.items()}
    return rows


def _values(hour: Sequence[Frame], seconds: int) -> int:
    return values_of([_cut(frame, 0, seconds) for frame in hour])


def _cut(frame: Frame, start_s: int, seconds: int) -> Frame:
    start_ms = T0_MS + start_s * 1_000
    piece = frame.between(start_ms, start_ms + seconds * 1_000)
    assert piece is not None  # noqa: S101 - inside the hour
    return piece


def _bodies(
    station: _Station, hour: Sequence[Frame], seconds: int, count: int, sequence: Any
) -> list[bytes]:
    bodies = []
    for number in range(count):
        start = number * seconds % (_HOUR_S - seconds)
        batch = encode_batch([_cut(frame, start, seconds) for frame in hour])
        bodies.append(station.sealer.seal(next(sequence), Stream.TELEMETRY, batch))
    return bodies


async def _throughput(
    station: _Station, bodies: Sequence[bytes], seconds: int, values: int
) -> list[Row]:
    waiting, times = list(bodies), []

    async def send() -> None:
        async with station.client() as client:
            while waiting:
                body = waiting.pop()
                began = time.perf_counter()
                answer = await client.post("/edge/v1/batches", content=body)
                answer.raise_for_status()
                times.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(send() for _ in range(_SENDERS)))
    rate = len(bodies) / (time.perf_counter() - began)
    name = f"batches of {seconds} s of the whole plant"
    return [
        _row(f"{name}, committed", rate, "batches/s", "more"),
        _row(f"{name}, committed", rate * values, "values/s", "more"),
        _row(f"{name}, offer to answer, p99", float(np.quantile(times, 0.99)) * 1e3, "ms", "less"),
        _row(f"{name}, wire", sum(map(len, bodies)) / len(bodies) / values, "bytes/value", "less"),
    ]


async def _latency(station: _Station, hour: Sequence[Frame], sequence: Any, history: Any) -> Row:
    """From the offer of a batch until a query answers with its newest sample."""
    power, times = SignalRef("METER", "active_power_kw"), []
    async with station.client() as client:
        for number in range(_LATENCIES):
            start_ms = T0_MS + 2 * _HOUR_S * 1_000 + number * 2_000
            frames = [_moved(_cut(frame, number * 2, 2), start_ms) for frame in hour]
            body = station.sealer.seal(next(sequence), Stream.TELEMETRY, encode_batch(frames))
            began = time.perf_counter()
            await client.post("/edge/v1/batches", content=body)
            found = 0
            while found < 2:
                result = await history.query(
                    _STATION, [power], start_ms, start_ms + 2_000, resolution=Resolution.RAW
                )
                found = result.points
            times.append(time.perf_counter() - began)
    value = float(np.quantile(times, 0.99))
    return _row("offer to queryable, p99", value, "s", "less", target=3.0)


def _moved(frame: Frame, t0_ms: int) -> Frame:
    return Frame(frame.device, frame.layout, t0_ms, frame.step_ms, frame.values, frame.quality)


async def _disk(
    station: _Station, hour: Sequence[Frame], sequence: Any, compactor: Compactor, history: Any
) -> list[Row]:
    """Store one whole hour in batches of 2 s, compact it, and count bytes."""
    shift_ms = 10 * _HOUR_S * 1_000
    compacting_s = 0.0
    while (await compactor.compact(_STATION, age_s=0)).batches:
        pass
    await compactor.merge_hours(_STATION, before_ms=1 << 52)
    async with station.client() as client:
        for start in range(0, _HOUR_S, _BATCH_S):
            frames = []
            for frame in hour:
                piece = _cut(frame, start, _BATCH_S)
                frames.append(_moved(piece, piece.t0_ms + shift_ms))
            body = station.sealer.seal(next(sequence), Stream.TELEMETRY, encode_batch(frames))
            (await client.post("/edge/v1/batches", content=body)).raise_for_status()
            if (start + _BATCH_S) % _PASS_S == 0:
                began = time.perf_counter()
                await compactor.compact(_STATION, age_s=0)
                compacting_s += time.perf_counter() - began
    start_ms, end_ms = T0_MS + shift_ms, T0_MS + shift_ms + _HOUR_S * 1_000
    parts = await history.ledger(_STATION, start_ms, end_ms)
    began = time.perf_counter()
    await compactor.merge_hours(_STATION, before_ms=1 << 52)
    merging_s = time.perf_counter() - began
    merged = await history.ledger(_STATION, start_ms, end_ms)
    values = float(merged.values)
    return [
        _row("compaction, batches to parts of 30 s", values / compacting_s, "values/s", "more"),
        _row("merging parts to hours", values / merging_s, "values/s", "more"),
        _row("on disk in parts of 30 s", parts.disk_bytes / values, "bytes/value", "less"),
        _row("on disk in hours", merged.disk_bytes / values, "bytes/value", "less"),
    ]


def _enrol(addresses: dict[str, str], dsn: str) -> _Station:
    token = secrets.token_urlsafe()
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO stations (id, name, rated_power_kw, capacity_kwh) VALUES (%s, %s, 1, 1)",
            [_STATION, _STATION],
        )
        conn.execute(
            "INSERT INTO enrolment_tokens (token_hash, station, created_by, expires_at)"
            " VALUES (%s, %s, 'bench', now() + interval '1 hour')",
            [hashlib.sha256(token.encode()).digest(), _STATION],
        )
    signing, tls = Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _STATION)])
    csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(tls, hashes.SHA256())
    fields = {
        "token": token,
        "station": _STATION,
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
    return _Station(Sealer(_STATION, cloud_key, signing, 1), context, addresses["edge"])


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _row(name: str, value: float, unit: str, better: str, *, target: float | None = None) -> Row:
    return {
        "name": name,
        "value": round(value, 4),
        "unit": unit,
        "better": better,
        "target": target,
        "peers": {},
    }
