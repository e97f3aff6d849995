"""The figures of a run, each counted where it can be trusted.

What the devices served is taken from the plant's own record, what is stored from the cloud, and
only then compared: the station's bookkeeping is reported beside it, never used as proof.
"""

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launcher.cloud_client import CloudClient

_MS = 1000
_MOST_NAMED = 100
_NO_REASON = "the station tells of no failed reading: look into its log and the cloud's"


@dataclass(frozen=True)
class Count:
    """Samples of one device and layout: served by the device, held by the cloud.

    Attributes:
        missing: device times, epoch s, of those that were served and are not held.
    """

    served: int
    stored: int
    duplicated: int
    missing: tuple[int, ...] = ()

    @property
    def lost(self) -> int:
        """How many are missing."""
        return len(self.missing)


@dataclass(frozen=True)
class Stream:
    """One device's samples of one layout."""

    device: str
    layout: str


def served(record: Path, until_s: int) -> dict[Stream, set[int]]:
    """Device times (epoch s) up to `until_s` of every sample that a device really served."""
    ticks: dict[Stream, set[int]] = {}
    with sqlite3.connect(f"file:{record}?mode=ro", uri=True) as database:
        rows = database.execute(
            "SELECT device, layout, tick FROM served WHERE tick <= ?", (until_s,)
        )
        for device, layout, tick in rows:
            ticks.setdefault(Stream(device, layout), set()).add(int(tick))
    return ticks


def count(client: CloudClient, station: str, ticks: dict[Stream, set[int]]) -> dict[Stream, Count]:
    """Compare what was served with what the cloud holds, device by device."""
    counts = {}
    for stream, wanted in sorted(ticks.items(), key=lambda item: (item[0].device, item[0].layout)):
        answer = client.samples(
            station,
            stream.device,
            stream.layout,
            (min(wanted) - 1) * _MS,
            (max(wanted) + 1) * _MS,
        )
        held = {int(time_ms) // _MS for time_ms in answer["times_ms"]}
        counts[stream] = Count(
            served=len(wanted),
            stored=len(held & wanted),
            duplicated=int(answer["duplicated"]),
            missing=tuple(sorted(wanted - held)),
        )
    return counts


def build(
    *,
    status: dict[str, Any],
    counts: dict[Stream, Count],
    ledger: dict[str, Any],
    orders: list[dict[str, Any]],
    memory_mb: dict[str, float],
    shape: dict[str, int],
    scenario: str,
    duration_s: float,
) -> dict[str, Any]:
    """The report as it is written to the file; documented in docs/operator.md."""
    outcomes = [(order.get("receipt") or {}).get("outcome") for order in orders]
    values = ledger["values"]
    return {
        "scenario": scenario,
        "duration_s": round(duration_s, 1),
        **shape,
        "cycle_ms": status.get("cycle_ms"),
        "cycles": {"run": status.get("cycles"), "missed": status.get("missed")},
        "cloud_latency_s": status.get("cloud_latency_s"),
        "samples_acquired": sum(c.served for c in counts.values()),
        "samples_stored": sum(c.stored for c in counts.values()),
        "samples_lost": sum(c.lost for c in counts.values()),
        "samples_duplicated": sum(c.duplicated for c in counts.values()),
        "missing": _missing(counts, status),
        "readings_missed": (status.get("readings_missed") or {}).get("counts"),
        "samples_acquired_by_station": status.get("samples_acquired"),
        "values_stored": values,
        "wire_bytes_per_value": _ratio(ledger["wire_bytes"], values),
        "disk_bytes_per_value": _ratio(ledger["disk_bytes"], values),
        "schedule": status.get("schedule"),
        "orders": {
            "sent": len(orders),
            "accepted": sum(o in {"accepted", "executed", "superseded"} for o in outcomes),
            "refused": sum(o in {"refused", "failed"} for o in outcomes),
        },
        "driver_restarts": status.get("driver_restarts"),
        "rss_mb": memory_mb,
    }


def _missing(counts: dict[Stream, Count], status: dict[str, Any]) -> list[dict[str, Any]]:
    """Name what is missing, with the station's reason where it gave one."""
    newest = (status.get("readings_missed") or {}).get("newest", ())
    reasons = {(m["device"], m["layout"], m["time_ms"] // _MS): m["reason"] for m in newest}
    gone = [(stream, tick) for stream, one in counts.items() for tick in one.missing]
    return [
        {
            "device": stream.device,
            "layout": stream.layout,
            "tick": tick,
            "reason": reasons.get((stream.device, stream.layout, tick), _NO_REASON),
        }
        for stream, tick in gone[:_MOST_NAMED]
    ]


def _ratio(part: float, whole: float) -> float | None:
    return round(part / whole, 4) if whole else None
