"""Fifteen years of history: bytes, ingest and questions, beside the stores one could use instead.

In one run, on the same generated values (see `_history_record`), every store is loaded, held to
the true answers, and timed from a client in Python, all stores question by question: ours with
mutual TLS, sealed blocks and embedded PostgreSQL; PostgreSQL with a row per value and with a row
per sample (both again under TimescaleDB where the server has it); Parquet with DuckDB;
VictoriaMetrics and InfluxDB where installed (`apt-get install victoria-metrics influxdb`).

Of rows per value only one converter's whole day is loaded, and an hour of the other devices: no
question at 1 s touches more. Peers take in one minute of the large station, ours 200 batches. The
cell map is of four racks, 500 cells. The newest values of all points come from the live image in
memory; `anew` is the first answer after an image has arrived. Rows named `15y` ask the far end of
a history that reaches fifteen years back, and may take twice as long.
"""

import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench._edge import add_station, new_home
from bench._history_influx import open_influx
from bench._history_ingest import Ingest, measure_ingest
from bench._history_ours import LARGE, SMALL, Ours, open_ours
from bench._history_parquet import open_parquet
from bench._history_postgres import in_postgres
from bench._history_questions import Case, Question, p95_ms, questions
from bench._history_record import (
    DAY_MS,
    METER,
    METERED,
    Record,
    large_batch,
    make_record,
    newest,
    quarter_hours,
    values_in,
)
from bench._history_store import Absent, Opening, Peer
from bench._history_victoria import open_victoria
from cloud.config import load
from contract.frame import Frame

Row = dict[str, Any]

_OTHERS: tuple[Opening, ...] = (open_parquet, open_victoria, open_influx)
_WORKERS = 2
_PEER_BATCHES = 6
_OLD_DAYS = 5_479
"""Fifteen years to the day."""
_OLD_FACTOR = 2
"""How much longer the far end of fifteen years may take."""


@dataclass
class _Table:
    """Rows by name; a peer's figure joins the row that has its name."""

    rows: dict[str, Row] = field(default_factory=dict)

    def ours(self, name: str, value: float, unit: str, target: float | None = None) -> None:
        better = "more" if unit.endswith("/s") else "less"
        self.rows[name] = {
            "name": f"history.{name}",
            "value": _rounded(value),
            "unit": unit,
            "better": better,
            "target": target,
            "peers": {},
        }

    def peer(self, name: str, peer: str, value: float) -> None:
        self.rows[name]["peers"][peer] = _rounded(value)


def run() -> list[Row]:
    """Measure and return the rows; takes four to six minutes.

    Raises:
        WrongAnswerError: a store gave something else than was put into it.
    """
    record, table = make_record(), _Table()
    with new_home(_WORKERS) as home, ExitStack() as stack:
        ingest = measure_ingest(home, record)
        database = home.database
        database.start()
        stack.callback(database.stop)
        add_station(database.dsn, SMALL)
        ours = stack.enter_context(open_ours(load(home.config), database.dsn))
        _load_ours(ours, record, ingest, table)
        batches = [large_batch(record, number) for number in range(_PEER_BATCHES)]
        openings = (*in_postgres(database.dsn_of("postgres")), *_OTHERS)
        peers = [
            peer
            for opening in openings
            if (peer := _load_peer(stack, opening, record, batches, table)) is not None
        ]
        ours_and_theirs = (questions(record, batch) for batch in (ingest.last, batches[-1]))
        for asked, same in zip(*ours_and_theirs, strict=True):
            name = f"query_{asked.row}_p95_ms"
            table.ours(name, p95_ms(ours, asked), "ms", asked.target_ms)
            for peer in peers:
                table.peer(name, peer.name, p95_ms(peer, same))
        _ask_alone(ours, record, ingest, table)
    return [*table.rows.values()]


def _load_ours(store: Ours, record: Record, ingest: Ingest, table: _Table) -> None:
    began = time.perf_counter()
    store.compact(LARGE)
    compact_values_per_s = ingest.values / (time.perf_counter() - began)
    store.load(record)
    seconds, cells = store.bytes_per_value()
    table.ours("raw_bytes_per_value", seconds, "bytes/value", 0.25)
    table.ours("cell_bytes_per_value", cells, "bytes/value", 0.36)
    table.ours("rollup_bytes_per_value", store.rollup_bytes_per_value(), "bytes/value")
    table.ours("ingest_values_per_s", ingest.values_per_s, "values/s", 20e6)
    table.ours("ingest_batches_per_s", ingest.batches_per_s, "batches/s")
    table.ours("ingest_p99_ms", ingest.p99_ms, "ms", 200)
    table.ours("compact_values_per_s", compact_values_per_s, "values/s", 10e6)


def _load_peer(
    stack: ExitStack,
    opening: Opening,
    record: Record,
    batches: Sequence[Sequence[Frame]],
    table: _Table,
) -> Peer | None:
    """Open and fill a peer that stays open until the end; None where it cannot be had."""
    try:
        peer = stack.enter_context(opening())
    except Absent as why:
        print(f"left out: {why}", file=sys.stderr)
        return None
    times = peer.ingest(batches)
    peer.load(record)
    seconds, cells = peer.bytes_per_value()
    values_per_s = sum(map(values_in, batches)) / sum(times)
    table.peer("raw_bytes_per_value", peer.name, seconds)
    table.peer("cell_bytes_per_value", peer.name, cells)
    table.peer("ingest_values_per_s", peer.name, values_per_s)
    table.peer("ingest_p99_ms", peer.name, float(np.quantile(times, 0.99)) * 1e3)
    return peer


def _ask_alone(store: Ours, record: Record, ingest: Ingest, table: _Table) -> None:
    """Ask what has no peer: a new image, and the far end of fifteen years, back-filled now."""
    anew = Question(
        "last_all_anew", 0, [Case(lambda _: store.last_all_anew(), newest(ingest.last))]
    )
    table.ours("query_last_all_anew_p95_ms", p95_ms(store, anew), "ms")
    start_ms = record.start_ms - _OLD_DAYS * DAY_MS
    meter = quarter_hours(start_ms, _OLD_DAYS, {METER: METERED[METER]})
    old = record.moved(start_ms, meter)
    store.load(old)
    for question in questions(old, ingest.last, from_the_start=True):
        name = f"query_{question.row}_15y_p95_ms"
        table.ours(name, p95_ms(store, question), "ms", _OLD_FACTOR * question.target_ms)


def _rounded(value: float) -> float:
    return round(value) if value >= 1_000 else float(f"{value:.4g}")
