"""Trainings of four weeks in the store: promoted, kept out twice, and one that failed."""

import datetime as dt

import psycopg
from psycopg.rows import dict_row

from cloud.db import Pool
from cloud.market.retraining import Fault, Wish, record

WEEK_MS = 7 * 86_400_000
BEGUN_MS = 1_772_409_600_000
"""2026-03-02T00:00:00Z."""
MODEL = "0123456789ab" + 52 * "c"
_GAINS = ((True, 1234.5, 0.93, (30.0, 31.5)), (False, -80.0, 0.42, (30.0, 31.5)))
_WORSE = (False, 900.0, 0.95, (33.0, 31.5))


def put_trainings(pool: Pool, station: str, market: str) -> None:
    """Keep the trainings of four weeks."""
    wish = Wish(station, market, "tx.real_time", seeds=2)
    day = dt.date(2026, 1, 4)
    span = (dt.date(2022, 3, 1), day, day + dt.timedelta(days=55))
    with psycopg.connect(pool.conninfo, autocommit=True, row_factory=dict_row) as conn:
        for week, (promoted, gain, sure, cvar) in enumerate((*_GAINS, _WORSE)):
            at_ms = BEGUN_MS + week * WEEK_MS
            begun = record.begin(conn, wish, "schedule", at_ms)
            record.tell_span(conn, begun.id, span, ["short history: 700 of 1,095 days"][:week])
            verdict = {"promoted": promoted, "gain": gain, "sure": sure, "cvar": cvar, "reason": ""}
            record.end(conn, begun.id, verdict, MODEL, at_ms + 600_000)
        begun = record.begin(conn, wish, "mei", BEGUN_MS + 3 * WEEK_MS)
        why = "torch is not installed, and nothing can be trained without it: pip install torch"
        record.fail(conn, begun.id, Fault.EXTRA, why, BEGUN_MS + 3 * WEEK_MS + 1_000)
