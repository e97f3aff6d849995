import sqlite3
from pathlib import Path

from launcher import report
from launcher.report import Count, Stream


def _record(path: Path) -> Path:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE served (device TEXT, layout TEXT, tick INTEGER)")
        database.executemany(
            "INSERT INTO served VALUES (?, ?, ?)",
            [("METER", "meter", 100), ("METER", "meter", 101), ("METER", "meter", 102)],
        )
    return path


class _Cloud:
    """Answers `samples` from a fixed store, in the form of the REST interface."""

    def __init__(self, times_s: list[int]) -> None:
        self._times = times_s

    def samples(self, _station, _device, _layout, start_ms, end_ms):
        inside = [t * 1000 for t in self._times if start_ms <= t * 1000 < end_ms]
        return {"times_ms": sorted(set(inside)), "duplicated": len(inside) - len(set(inside))}


def test_a_sample_that_the_cloud_lacks_is_lost_and_one_held_twice_is_duplicated(tmp_path: Path):
    ticks = report.served(_record(tmp_path / "record.sqlite"), until_s=102)

    counts = report.count(_Cloud([100, 100, 102]), "demo", ticks)

    assert counts == {Stream("METER", "meter"): Count(3, 2, duplicated=1, missing=(101,))}
    assert counts[Stream("METER", "meter")].lost == 1


def test_what_was_served_after_the_stop_is_not_counted(tmp_path: Path):
    ticks = report.served(_record(tmp_path / "record.sqlite"), until_s=101)

    assert ticks == {Stream("METER", "meter"): {100, 101}}


def test_the_report_has_every_figure_that_it_promises():
    result = report.build(
        status={
            "cycle_ms": {"p50": 3.0, "p99": 9.0},
            "cloud_latency_s": {"p50": 1.0, "p99": 2.0},
            "readings_missed": {
                "counts": {"torn": 1, "no_answer": 0},
                "newest": [
                    {"device": "METER", "layout": "meter", "time_ms": 101_000, "reason": "torn"}
                ],
            },
        },
        counts={
            Stream("METER", "meter"): Count(3, 2, 0, (101,)),
            Stream("PANEL", "panel"): Count(3, 2, 0, (102,)),
        },
        ledger={"values": 100, "wire_bytes": 40, "disk_bytes": 30},
        orders=[{"receipt": {"outcome": "accepted"}}, {"receipt": {"outcome": "refused"}}, {}],
        memory_mb={"station": 80.0},
        shape={"points": 10, "cells": 8320},
        scenario="normal-day",
        duration_s=12.3,
    )

    assert result["samples_acquired"] == 6
    assert result["samples_lost"] == 2
    assert result["readings_missed"] == {"torn": 1, "no_answer": 0}
    named = [(one["device"], one["tick"], one["reason"]) for one in result["missing"]]
    assert named[0] == ("METER", 101, "torn")
    assert named[1][:2] == ("PANEL", 102)
    assert "tells of no failed reading" in named[1][2]
    assert result["wire_bytes_per_value"] == 0.4
    assert result["orders"] == {"sent": 3, "accepted": 1, "refused": 1}
    for key in ("points", "cells", "cycle_ms", "cloud_latency_s", "samples_stored"):
        assert key in result
    for key in ("samples_duplicated", "disk_bytes_per_value", "schedule", "rss_mb"):
        assert key in result
