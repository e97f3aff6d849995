"""A copy of the database's folder tells nothing of the four sensitive classes.

They are those of the guide on storage stations, 4.1.10: run data of battery clusters, control
strategy of the EMS, state parameters of the BMS, load of the user.
"""

import datetime as dt
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psycopg
import pytest

from cloud.config import CloudConfig, HistorySection
from cloud.db import create_pool
from cloud.db.migrate import migrate
from cloud.db.postgres import EmbeddedPostgres
from cloud.fleet import orders
from cloud.fleet.delivery import keep_receipt, orders_after
from cloud.ingest.ledger import store
from cloud.jobs import Jobs
from cloud.keys import open_keys
from cloud.live import intake
from cloud.vault.vault import Placed, StationKeys, Vault
from cloud.workers import Task
from contract import commands, events, layouts
from contract.commands import CommandRecord, CommandState
from contract.envelope import Stream
from contract.frame import Frame, encode, encode_batch
from contract.orders import OrderKind, Outcome, Receipt, peek_order, sign_receipt
from contract.words import Words
from tests.cloud.history.conftest import open_store
from tests.cloud.history.traces import Series, middle, numeric, search, slices
from tests.cloud.stations import T0_MS, folder

ROWS = 40
CELLS = layouts.get("rack.cells/16")
SECRET_SIGNALS = {
    "battery clusters": (layouts.RACK, ("power_kw", "voltage_v", "current_a", "soc")),
    "control strategy": (layouts.STATION, ("scheduled_power_kw", "target_power_kw")),
    "state of the BMS": (CELLS, ("cell_voltage_v", "cell_temperature_c")),
    "load of the user": (layouts.METER, ("active_power_kw", "energy_charged_kwh")),
}
SEARCHABLE = {"wal_compression": "off", "fsync": "off"}
"""Compressed pages of the log could hide what this test looks for."""


class Telling:
    """One day's secrets: frames, a schedule, and what events, commands and receipts say."""

    def __init__(self) -> None:
        rng = np.random.default_rng(20_261_125)
        self.frames, self.series = [], []
        for number, (secret, (layout, signals)) in enumerate(SECRET_SIGNALS.items()):
            columns = []
            for column in layout.columns:
                bits = 8 * np.dtype(column.signal.dtype).itemsize - 1
                shape = (ROWS, column.repeat)
                raw = rng.integers(2 ** (bits - 2), 2 ** (bits - 1), shape)
                columns.append(raw.astype(column.signal.dtype))
                if column.signal.name in signals:
                    self.series.append(
                        Series(
                            f"{secret}, {column.signal.name}",
                            *(raw[:, 0], column.signal.scale, column.signal.dtype),
                        )
                    )
            quality = np.zeros((ROWS, layout.width), dtype=np.uint8)
            self.frames.append(Frame(f"D{number}", layout, T0_MS, 1000, tuple(columns), quality))
        tenths = rng.integers(10**7, 10**8, 96)
        self.schedule = Series("control strategy, schedule", tenths, 0.1, "i4")
        self.limits = Series("state of the BMS, events", rng.integers(10**7, 10**8, 4), 0.001, "i4")
        self.setpoints = Series(
            "control strategy, commands", rng.integers(10**7, 10**8, 4), 0.001, "i4"
        )
        self.plains: dict[str, bytes] = {}
        self.reason = f"{rng.integers(10**9):09d} kW is beyond the limit"

    def listen(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Remember whatever is sealed of alpha from now on: its plain bytes must not be found.

        Other stations of the same process, as the pages' one, lie in other databases. Orders and
        receipts name no station.
        """
        seal = StationKeys.seal

        def told(keys: StationKeys, place: Placed, plain: bytes) -> bytes:
            named = place.associated()
            if any(one in named for one in (b"alpha", b"orders", b"receipts")):
                self.plains[f"{len(self.plains)} {place}"] = bytes(plain)
            return seal(keys, place, plain)

        monkeypatch.setattr(StationKeys, "seal", told)

    def event(self, number: int) -> events.Event:
        value, limit = (float(one) for one in self.limits.physical[2 * number : 2 * number + 2])
        return events.make(
            "cell.voltage",
            id=f"e-{number}",
            station="alpha",
            device="D0",
            active=True,
            at_ms=T0_MS + number,
            value=value,
            limit=limit,
            detail=Words(f"cell 7 at {value:.3f} mV", f"7 号单体 {value:.3f} mV"),
        )

    def command(self, number: int) -> CommandRecord:
        value = float(f"{self.setpoints.physical[number]:.3f}")
        return CommandRecord(
            *(f"c-{number}", "alpha", "D1", "active_power_setpoint_kw", value, "agc", "ann"),
            *("SOC band", CommandState.FAILED, f"{value:.3f} kW commanded", T0_MS + number),
            *(0, T0_MS + 100, f"no answer to {value:.3f} kW", f"{value:.3f} kW 无应答"),
        )

    def payload(self) -> dict[str, object]:
        powers = [float(f"{power:.1f}") for power in self.schedule.physical]
        return {"date": "2026-01-01", "timezone": "UTC", "interval_min": 15, "power_kw": powers}

    def traces(self) -> dict[str, bytes]:
        """Everything that must not be found, in every shape."""
        found = {"receipt: reason": self.reason.encode()}
        for series in (*self.series, self.schedule, self.limits, self.setpoints):
            found |= series.traces()
        for number, value in enumerate(self.setpoints.physical):
            found[f"control strategy, command: value {number}"] = f"{value:.3f}".encode()
        for number, value in enumerate(self.limits.physical):
            found[f"state of the BMS, event: value {number}"] = f"{value:.3f}".encode()
        for name, series in (("schedule", self.schedule), ("events", self.limits)):
            found[f"{name}: jsonb"] = numeric(f"{series.physical[0]:.{series.digits}f}")
        for frame in self.frames:
            for level in (3, 9):
                blob = encode(frame, level)
                found |= slices(f"frame of {frame.layout.name}, level {level}", blob)
        for name, plain in self.plains.items():
            found |= middle(name, plain)
        return found | slices("batch", encode_batch(self.frames))


@pytest.fixture
def server() -> Iterator[EmbeddedPostgres]:
    home = folder()
    made = EmbeddedPostgres(home / "postgres", SEARCHABLE)
    made.start()
    yield made
    made.stop()
    shutil.rmtree(home)


async def live_through(dsn: str, keys_dir: Path, telling: Telling) -> None:
    """Everything that the cloud stores of a station: from ingest to the longest spans."""
    async with create_pool(dsn, 8, 5.0) as pool:
        stored = await open_store(pool, keys_dir)
        await stored.put(telling.frames)
        await stored.put([frame.between(T0_MS, T0_MS + 9_000) for frame in telling.frames])
        live = stored.station.live(1, [replace_last(frame) for frame in telling.frames])
        header, at_ms = await stored.gate.live(stored.peer, live)
        await intake.keep(pool, header, at_ms, live)
        body = events.to_json([telling.event(number) for number in (0, 1)])
        offer = await stored.gate.events(
            stored.peer, stored.station.sealer.seal(1, Stream.EVENTS, body)
        )
        await store(pool, [offer])
        body = commands.to_json([telling.command(number) for number in range(4)])
        offer = await stored.gate.commands(
            stored.peer, stored.station.sealer.seal(1, Stream.COMMANDS, body)
        )
        await store(pool, [offer])
        assert await stored.count("commands") == 4
        await give_order(pool, keys_dir, telling, stored.station)
        history = HistorySection(compact_after_s=0, hour_grace_s=0)
        config = CloudConfig(data_dir=keys_dir.parent, history=history)
        jobs = Jobs(Task(config, dsn, {}), pool)
        for job in (jobs.compact, jobs.merge_hours, jobs.roll_up, jobs.roll_up_cells):
            await job("alpha")
        await jobs.merge_spans("alpha")
        await stored.put([frame.between(T0_MS, T0_MS + 8_000) for frame in telling.frames])
        found = await stored.history.samples("alpha", "D0", "rack", T0_MS, T0_MS + 60_000)
        assert len(found.times_ms) == ROWS


def replace_last(frame: Frame) -> Frame:
    """The newest sample of a frame, as the live lane carries it."""
    last = frame.between(frame.end_ms - 1_000, frame.end_ms)
    assert last is not None
    return last


async def give_order(pool, keys_dir, telling: Telling, station) -> None:
    """A schedule goes out, and a receipt that names its powers comes back."""
    keys = open_keys(keys_dir)
    vault, now_ms = Vault(pool, keys), time.time_ns() // 1_000_000
    await orders.issue(
        pool,
        vault,
        keys,
        station="alpha",
        kind=OrderKind.SCHEDULE,
        payload=telling.payload(),
        now_ms=now_ms,
        expires_ms=now_ms + 60_000,
        created_by="ann",
    )
    (blob,) = await orders_after(pool, vault, "alpha", 0)
    order = peek_order(blob)
    receipt = Receipt(
        *(order.id, order.sha256, "alpha", order.counter, Outcome.REFUSED),
        *("over_limit", telling.reason, now_ms),
    )
    await keep_receipt(pool, vault, "alpha", sign_receipt(receipt, station.signing))
    in_force = await orders.list_orders(pool, vault, "alpha")
    assert in_force[0].payload == telling.payload()
    assert in_force[0].receipt.reason == telling.reason
    assert await orders.schedule_in_force(pool, vault, "alpha", dt.date(2026, 1, 1)) is None


def fail_with_values(dsn: str, telling: Telling) -> None:
    """Statements that the server refuses, with values in parameters, text and row."""
    secret = [float(one) for one in telling.series[0].physical[:4]]
    columns = "station, device, signal, bucket, minimum, maximum, mean, last, count"
    for sql, values in (
        ("VALUES ('a', 'b', 'c', now(), %s, %s, %s, %s, NULL)", secret),
        (f"VALUES ('a', 'b', 'c', now(), {', '.join(map(repr, secret))}, NULL)", []),
    ):
        with psycopg.connect(dsn) as conn, pytest.raises(psycopg.errors.NotNullViolation) as error:
            conn.execute(f"INSERT INTO rollups_15min ({columns}) {sql}".encode(), values)
        assert repr(secret[0]) in str(error.value)  # the client is told, the log is not


def settle(server: EmbeddedPostgres, dsn: str) -> Path:
    """Have everything on the disk and the server stopped; return its folder."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("ANALYZE")
        conn.execute("CHECKPOINT")
    server.stop()
    return server._place


def write_in_clear(dsn: str, telling: Telling) -> None:
    """The same secrets as an unsealed store would keep them, in one table."""
    with psycopg.connect(dsn) as conn:
        conn.execute(
            "CREATE TABLE scratch (name text, f8 float8[], f4 float4[], i2 int2[], i4 int4[],"
            " i8 int8[], big bytea, txt text, js jsonb, body bytea)"
        )
        for column in ("f8", "f4", "i2", "i4", "i8", "big", "txt", "body"):
            conn.execute(f"ALTER TABLE scratch ALTER {column} SET STORAGE EXTERNAL".encode())
        for series in (*telling.series, telling.schedule, telling.limits, telling.setpoints):
            physical, raw = series.physical.tolist(), series.raw.tolist()
            texts = [f"{one:.{series.digits}f}" for one in physical]
            every = [texts, [str(one) for one in raw]]
            big = b"".join(trace for name, trace in series.traces().items() if name.endswith(">"))
            conn.execute(
                "INSERT INTO scratch VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb, NULL)",
                [
                    *(series.name, physical, physical),
                    raw if series.dtype == "i2" else None,
                    *(raw, raw, big),
                    "\n".join(glue.join(words) for glue in (",", ", ", "\t") for words in every),
                    f"[{texts[0]}]",
                ],
            )
        blobs = [encode(frame, level) for frame in telling.frames for level in (3, 9)]
        blobs += [encode_batch(telling.frames), telling.reason.encode()]
        for blob in (*blobs, *telling.plains.values()):
            conn.execute("INSERT INTO scratch (body) VALUES (%s)", [blob])


async def test_a_dump_shows_none_of_the_four_classes_and_would_show_them_in_clear(
    server, monkeypatch
):
    telling, dsn = Telling(), server.dsn
    telling.listen(monkeypatch)
    migrate(dsn)
    await live_through(dsn, server._home.parent / "keys", telling)
    fail_with_values(dsn, telling)

    place = settle(server, dsn)
    sealed = search(place, telling.traces())

    assert sealed == {}
    assert "null value in column" in (place / "postgres.log").read_text()
    kinds = ("block of", "rollups of", "'events'", "'commands'", "'orders'", "'receipts'")
    assert all(any(kind in name for name in telling.plains) for kind in kinds)
    server.start()
    write_in_clear(dsn, telling)
    clear = search(settle(server, dsn), telling.traces())
    assert sorted(clear) == sorted(telling.traces())
