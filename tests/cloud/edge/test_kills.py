"""kill -9 of workers, jobs, database and supervisor at random moments, while a station sends.

Jobs compact, merge and roll up all the time, keys are rotated by commands that are killed too.
What was acknowledged is counted against what the store holds at the end, and the full check must
find every block, every rollup equal to its rebuild, and no orphan.
"""

import asyncio
import base64
import contextlib
import json
import random
import secrets
import shutil
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

from cloud.app import open_worker
from cloud.config import load
from cloud.db.pool import create_pool
from cloud.db.postgres import EmbeddedPostgres
from cloud.epochs import EpochKeys
from cloud.history.check import Checker, Report
from cloud.keys import open_keys
from cloud.vault.vault import Vault
from contract import layouts
from tests.cloud.stations import T0_MS, FakeStation, folder, frame
from tests.waiting import wait_until

CONFIG = """
data_dir = "data"
workers = 2
[history]
compact_after_s = 0.5
compact_every_s = 0.7
rollup_every_s = 0.9
merge_every_s = 0.8
cells_every_s = 0.6
spans_every_s = 1.1
hour_grace_s = 0
"""
ROWS = 40
CELLS = layouts.cells_layout(6)


class Cloud:
    """One cloud of real processes."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.config = home / "cloud.toml"
        self.config.write_text(CONFIG)
        self.log = (home / "log").open("ab")
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "cloud", str(self.config)],
            stdout=subprocess.PIPE,
            stderr=self.log,
        )
        assert self.process.stdout is not None
        for raw in self.process.stdout:
            line = json.loads(raw)
            if line.get("ready"):
                self.addresses = line["addresses"]
                # Another start has other ports; the station of this test looks them up.
                return
        raise AssertionError("the cloud did not start")

    def child(self, *words: str) -> psutil.Process | None:
        for process in psutil.Process(self.process.pid).children(recursive=True):
            try:
                if all(word in process.cmdline() for word in words):
                    return process
            except psutil.Error:
                continue
        return None

    def kill(self, *words: str) -> None:
        wait_until(lambda: self.child(*words), " ".join(words), 30)
        process = self.child(*words)
        if process is not None:
            process.kill()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@contextlib.contextmanager
def running_cloud() -> Iterator[Cloud]:
    """A cloud that is stopped and removed whatever happens; it ends well when nothing does."""
    home = folder()
    cloud = Cloud(home)
    try:
        yield cloud
        assert cloud.stop() == 0
    finally:
        if cloud.process.poll() is None:
            cloud.stop()
        shutil.rmtree(home)


class Sender(threading.Thread):
    """Sends batch after batch until told to stop; keeps what was acknowledged."""

    def __init__(self, cloud: Cloud, fake: FakeStation, context: ssl.SSLContext) -> None:
        super().__init__(daemon=True)
        self.cloud, self.fake, self.context = cloud, fake, context
        self.acknowledged: list[int] = []
        self.duplicates = 0
        self.leave = threading.Event()
        self.wrong: list[str] = []

    def run(self) -> None:
        rng = random.Random(4)
        sequence = 0
        while not self.leave.is_set():
            sequence += 1
            start = T0_MS + sequence * ROWS * 1_000
            frames = [
                frame(t0_ms=start, n=ROWS),
                frame("FIRE", layouts.FIRE, start, ROWS),
                frame("C1-R01", CELLS, start, ROWS),
            ]
            body = self.fake.batch(sequence, frames)
            self._send(body)
            self.acknowledged.append(sequence)
            if rng.random() < 0.05:
                self._send(body)

    def _send(self, body: bytes) -> None:
        while True:
            try:
                with httpx.Client(verify=self.context, timeout=5) as client:
                    url = f"{self.cloud.addresses['edge']}/edge/v1/batches"
                    answer = client.post(url, content=body)
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code == 200:
                self.duplicates += answer.json()["result"] == "duplicate"
                return
            if answer is not None and answer.status_code != 503:
                self.wrong.append(f"{answer.status_code} {answer.text}")
                return
            self.leave.wait(0.05)


def enrol(cloud: Cloud, database: EmbeddedPostgres) -> tuple[FakeStation, ssl.SSLContext]:
    import hashlib

    token = secrets.token_urlsafe()
    with psycopg.connect(database.dsn, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO stations (id, name, rated_power_kw, capacity_kwh)"
            " VALUES ('alpha', 'alpha', 1, 1)"
        )
        conn.execute(
            "INSERT INTO enrolment_tokens (token_hash, station, created_by, expires_at)"
            " VALUES (%s, 'alpha', 'test', now() + interval '1 h')",
            [hashlib.sha256(token.encode()).digest()],
        )
    trust = ssl.create_default_context(cafile=cloud.addresses["ca"])
    fake = FakeStation("alpha", bytes(31) + b"\x09")
    with httpx.Client(verify=trust, timeout=30) as client:
        granted = client.post(f"{cloud.addresses['enrol']}/enrol/v1", json=fake.enrolment(token))
    fake.cloud_key = base64.b64decode(granted.json()["cloud_key"])
    fake.new_epoch(1)

    class Known:
        certificate_pem = granted.json()["ca"].encode()

    context = fake.context(Known, granted.json()["certificate"].encode())  # type: ignore[arg-type]
    with httpx.Client(verify=context, timeout=30) as client:
        client.post(f"{cloud.addresses['edge']}/edge/v1/keys", content=fake.announcement)
        where = f"{cloud.addresses['edge']}/edge/v1/layouts/{CELLS.hash8.hex()}"
        client.put(where, content=CELLS.to_json()).raise_for_status()
    return fake, context


@pytest.mark.timeout(600)  # each kill may take a minute to get over
@pytest.mark.parametrize(
    "kills", [pytest.param(7, id="short"), pytest.param(56, id="long", marks=pytest.mark.long)]
)
def test_nothing_acknowledged_is_lost_and_nothing_is_doubled(kills):
    with running_cloud() as cloud:
        sent, report, stored = _campaign(cloud, kills)

    wanted = {T0_MS + (sequence * ROWS + row) * 1_000 for sequence in sent for row in range(ROWS)}
    times, duplicated, batches = stored
    assert wanted == set(times)
    assert duplicated == 0
    assert batches == len(sent)
    assert report.findings == []
    assert report.batches == batches
    assert report.blocks > 0


def _campaign(cloud: Cloud, kills: int) -> tuple[list[int], Report, tuple[list[int], int, int]]:
    """Kill one after another; return what was acknowledged, the check, and what is stored."""
    database = EmbeddedPostgres(cloud.home / "data" / "postgres")
    fake, context = enrol(cloud, database)
    sender = Sender(cloud, fake, context)
    sender.start()
    rng = random.Random(7)

    def progress(more: int) -> None:
        target = len(sender.acknowledged) + more
        wait_until(lambda: len(sender.acknowledged) >= target, "acknowledged batches", 60)

    victims = (["cloud.worker"], ["-D"], ["cloud.jobs"], "rotation", ["-D"], ["cloud.jobs"], "all")
    for number in range(kills):
        progress(rng.randint(1, 9))
        match victims[number % len(victims)]:
            case "rotation":
                _kill_rotation(cloud, rng, key_encryption=number % 2 == 1)
            case "all":
                cloud.process.kill()
                cloud.process.wait()
                wait_until(lambda: _gone(cloud), "the end of the old listeners", 30)
                cloud.start()
            case words:
                cloud.kill(*words)
    progress(5)
    sender.leave.set()
    sender.join(30)
    assert not sender.is_alive()
    assert sender.wrong == []
    wait_until(lambda: _settled(database.dsn), "rollups of everything", 120)
    stored = asyncio.run(_stored(cloud.config, database.dsn))
    report = asyncio.run(_checked(cloud.config, database.dsn))
    return sender.acknowledged, report, stored


def _kill_rotation(cloud: Cloud, rng: random.Random, *, key_encryption: bool) -> None:
    """Begin to rotate keys from the command line and kill the command somewhere on its way."""
    wish = ["--key-encryption"] if key_encryption else []
    command = [sys.executable, "-P", "-m", "launcher", "history", "rotate-keys", str(cloud.config)]
    process = subprocess.Popen([*command, *wish], stdout=cloud.log, stderr=cloud.log)
    try:
        process.wait(rng.uniform(0.1, 1.5))
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _settled(dsn: str) -> bool:
    """Whether nothing waits to be compacted or rolled up; a killed database says no."""
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(dsn) as conn:
        row = conn.execute(
            "SELECT (SELECT count(*) FROM dirty), (SELECT count(*) FROM dirty_quarters),"
            " (SELECT count(*) FROM hot_batches)"
        ).fetchone()
        return row == (0, 0, 0)
    return False


async def _checked(path: Path, dsn: str) -> Report:
    config = load(path)
    keys = open_keys(config.keys_dir, config.keys.pkcs11)
    async with create_pool(dsn, 4, 5.0) as pool:
        checker = Checker(pool, EpochKeys(pool, keys), Vault(pool, keys), lambda _line: None)
        return await checker.check()


def _gone(cloud: Cloud) -> bool:
    """Whether nobody listens on the old edge port any more."""
    try:
        with httpx.Client(verify=False, timeout=1) as client:  # noqa: S501 - we only knock
            client.get(cloud.addresses["edge"])
    except httpx.ConnectError as error:
        return "refused" in str(error)
    except httpx.HTTPError:
        return False
    return False


async def _stored(path: Path, dsn: str) -> tuple[list[int], int, int]:
    async with open_worker(load(path), dsn) as worker:
        history = worker.services.history
        end = T0_MS + 10 * 365 * 86_400_000
        found = await history.samples("alpha", "METER", "meter", T0_MS, end)
        other = await history.samples("alpha", "FIRE", "fire", T0_MS, end)
        assert other.times_ms.tolist() == found.times_ms.tolist()
        counts = await history.ledger("alpha", 0, 2**53)
        return found.times_ms.tolist(), found.duplicated + other.duplicated, counts.batches
