"""What the station says of itself in its status file, gathered from its parts."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contract.orders import Outcome
from station.alarms import AlarmBook
from station.control.cycle import ControlCycle
from station.devices import Devices
from station.loops import Loops
from station.status import plain_numbers
from station.telemetry import Telemetry
from station.tracking_error import TrackingError
from station.uplink.link import CloudLink


@dataclass(frozen=True)
class StatusParts:
    """The parts that a status is gathered from."""

    link: CloudLink
    loops: Loops
    telemetry: Telemetry
    tracking: TrackingError
    control: ControlCycle
    alarms: AlarmBook
    devices: Devices


@dataclass(frozen=True)
class Counts:
    """What the controller itself counts.

    Attributes:
        acquired: `samples` and `values` from devices.
        orders: orders by outcome, of this run and those before.
        failures: how often which part of the station failed.
        values: the signals of the station's own row, by name.
    """

    acquired: Mapping[str, int]
    orders: Counter[str]
    failures: Counter[str]
    values: Mapping[str, float]


def status_report(parts: StatusParts, counts: Counts, now_ms: int) -> dict[str, Any]:
    """Return what the status file says."""
    return {
        "at_ms": now_ms,
        "link": "up" if parts.link.is_up else "down",
        **_loops(parts.loops),
        "samples_acquired": counts.acquired["samples"],
        "values_acquired": counts.acquired["values"],
        "samples_computed": parts.loops.clock.cycles,
        **_telemetry(parts.telemetry),
        "schedule": parts.tracking.report(),
        "orders": {
            outcome.value: counts.orders[outcome] for outcome in (Outcome.ACCEPTED, Outcome.REFUSED)
        },
        "station": plain_numbers(counts.values),
        "correction_kw": round(parts.control.correction_kw, 2),
        "alarms": sorted(parts.alarms.active),
        **_devices(parts.devices),
        "part_failures": dict(counts.failures),
    }


def _loops(loops: Loops) -> dict[str, Any]:
    clock = loops.clock
    return {
        "cycles": clock.cycles,
        "missed": clock.missed,
        "cycle_ms": clock.report(),
        "cycle_failures": loops.failures,
        "fast_loop": loops.fast.report(),
    }


def _telemetry(telemetry: Telemetry) -> dict[str, Any]:
    sent, intake, live = telemetry.sender.sent, telemetry.batcher.intake, telemetry.live
    return {
        "samples_refused": {
            "repeated": intake.repeated,
            "misdated": intake.misdated,
            "malformed": intake.malformed,
        },
        "samples_lost": intake.lost,
        "batches_acked": sent.batches,
        "batches_duplicate": sent.duplicates,
        "batches_quarantined": sent.quarantined,
        "samples_acked": sent.samples,
        "wire_bytes": sent.wire_bytes,
        "wire_values": sent.wire_values,
        "live": {"sent": live.sent, "lost": live.lost, "wire_bytes": live.wire_bytes},
        "queue": telemetry.sender.backlog,
        "cloud_latency_s": {
            "p50": sent.latency.quantile_s(0.50),
            "p99": sent.latency.quantile_s(0.99),
            "n": sent.latency.count,
        },
    }


def _devices(devices: Devices) -> dict[str, Any]:
    return {
        "devices": {
            tag: {"connected": bool(c.connected), "reason": c.reason, "since_ms": c.since_ms}
            for tag, c in devices.connections.items()
        },
        "driver_restarts": devices.restarts,
        "readings_missed": devices.missed_report(),
        "fast_lanes": devices.fast_report(),
    }
