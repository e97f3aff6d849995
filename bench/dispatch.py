"""How quickly and how well the station decides: frequency steps, split, a day, early warnings.

`STATIONMASTER_BENCH_DISPATCH_S` shortens the run: seconds of frequency steps, 600 by default;
the day's plant and the quiet run shrink with it.
"""

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np

from bench._dispatch_day import AWAKE, EQUAL, RESTING, Day, run_day, size
from bench._dispatch_house import Run, run_house
from bench._dispatch_split import split_times_ms
from bench._dispatch_steps import LATEST_MS
from bench._rehearsal_warnings import Lead, Quiet, measure_lead, quiet_run

_SECONDS = 600.0
_CONTAINERS, _LEAST_CONTAINERS = 40, 4
_QUIET_HOURS, _LEAST_HOURS = 24.0, 1.0
_QUIET_CONTAINERS = 10
_OPENEMS_MS = 1000.0
"""One cycle of its default length (Core.Cycle, cycleTime): published, not measured here."""
_SHORT_KW = -50.0

Rows = list[dict[str, Any]]


def run() -> Rows:
    seconds = float(os.environ.get("STATIONMASTER_BENCH_DISPATCH_S", _SECONDS))
    part = min(1.0, seconds / _SECONDS)
    house = run_house(seconds)
    split = split_times_ms()
    plant = size(max(_LEAST_CONTAINERS, round(_CONTAINERS * part)))
    hours = max(_LEAST_HOURS, _QUIET_HOURS * part)
    # A fork would take the threads of the servers just used with it.
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        quiet = pool.submit(quiet_run, hours, size(_QUIET_CONTAINERS))
        days = [pool.submit(run_day, way, plant) for way in (EQUAL, AWAKE, RESTING)]
        short = pool.submit(_lead, "thermal-runaway", "C2-R04", _SHORT_KW)
        over = pool.submit(_lead, "thermal-runaway-overcharge", "C1-R06", 0.0)
        return [
            *_house_rows(house),
            *_split_rows(split),
            *_day_rows(*(day.result() for day in days)),
            *_lead_rows("short", short.result()),
            *_lead_rows("overcharge", over.result()),
            *_quiet_rows(quiet.result()),
        ]


def _lead(scenario: str, rack: str, power_kw: float) -> Lead:
    """Both courses happen in cell 130."""
    return asyncio.run(measure_lead(scenario, rack, 130, power_kw))


def _house_rows(house: Run) -> Rows:
    took = [LATEST_MS if a.took_ms is None else a.took_ms for a in house.answers]
    last = [LATEST_MS if a.last_ms is None else a.last_ms for a in house.answers]
    to_issue, to_accept = house.parts_ms()
    peers = {"OpenEMS (loop of 1 s)": _OPENEMS_MS}
    unanswered = sum(answer.took_ms is None for answer in house.answers)
    fast = house.fast
    return [
        _row("dispatch.step_to_setpoint_p50_ms", _quantile(took, 50), "ms", 60, peers=peers),
        _row("dispatch.step_to_setpoint_p99_ms", _quantile(took, 99), "ms", 150),
        _row("dispatch.step_to_setpoint_max_ms", max(took), "ms"),
        _row("dispatch.step_to_last_converter_p50_ms", _quantile(last, 50), "ms"),
        _row("dispatch.step_to_last_converter_p99_ms", _quantile(last, 99), "ms"),
        _row("dispatch.step_to_issue_p50_ms", _quantile(to_issue, 50), "ms"),
        _row("dispatch.step_to_issue_p99_ms", _quantile(to_issue, 99), "ms"),
        _row("dispatch.issue_to_accepted_p50_ms", _quantile(to_accept, 50), "ms"),
        _row("dispatch.issue_to_accepted_p99_ms", _quantile(to_accept, 99), "ms"),
        _row("dispatch.steps", len(took), "steps", better="more"),
        _row("dispatch.steps_unanswered", unanswered, "steps", 0),
        _row("dispatch.fast_loop_missed_pct", fast["missed_pct"], "%", 0.1),
        _row("dispatch.fast_loop_passes", fast["passes"], "passes", better="more"),
        _row("dispatch.fast_loop_jitter_p99_ms", fast["jitter_p99_ms"], "ms"),
        _row("dispatch.fast_loop_jitter_max_ms", fast["jitter_max_ms"], "ms"),
    ]


def _split_rows(times_ms: dict[str, tuple[float, float]]) -> Rows:
    peers = [{"equal split": value} for value in times_ms["equal"]]
    return [
        _row("dispatch.split_ms", times_ms["split"][0], "ms", 5, peers=peers[0]),
        _row("dispatch.split_p99_ms", times_ms["split"][1], "ms", peers=peers[1]),
        _row("dispatch.resplit_ms", times_ms["resplit"][0], "ms"),
    ]


def _day_rows(equal: Day, awake: Day, resting: Day) -> Rows:
    def more_pct(day: Day) -> float:
        """Loss of each kWh moved, against the same with equal parts."""
        return 100 * ((day.lost_kwh / day.moved_kwh) / (equal.lost_kwh / equal.moved_kwh) - 1)

    return [
        _row("dispatch.loss_vs_equal_split_pct", more_pct(resting), "%", 0),
        _row("dispatch.loss_vs_equal_split_awake_pct", more_pct(awake), "%"),
        _row("dispatch.day_loss_kwh", resting.lost_kwh, "kWh", peers=_peer(equal.lost_kwh)),
        _row("dispatch.day_loss_awake_kwh", awake.lost_kwh, "kWh", peers=_peer(equal.lost_kwh)),
        _row("dispatch.day_moved_kwh", resting.moved_kwh, "kWh", peers=_peer(equal.moved_kwh)),
        _row("dispatch.soc_spread_ratio", resting.spread / equal.spread, "of equal", 0.5),
        _row("dispatch.soc_spread_ratio_awake", awake.spread / equal.spread, "of equal", 0.5),
        _row("dispatch.day_limit_violations", awake.violations + resting.violations, "steps", 0),
        _row("dispatch.day_converter_starts", resting.starts, "starts"),
    ]


def _lead_rows(course: str, lead: Lead) -> Rows:
    rows = [_row(f"protection.runaway_{course}_lead_s", lead.lead_s, "s", 0, better="more")]
    for sign, at_s in sorted(lead.signs.items(), key=lambda item: item[1]):
        name = f"protection.runaway_{course}_{sign}_lead_s"
        rows.append(_row(name, lead.tripped_s - at_s, "s", better="more"))
    return rows


def _quiet_rows(quiet: Quiet) -> Rows:
    rate = quiet.warnings / quiet.rack_months
    return [
        _row("protection.false_warnings_per_rack_month", rate, "warnings", 0),
        _row("protection.quiet_rack_months", quiet.rack_months, "months of a rack", better="more"),
    ]


def _peer(value: float) -> dict[str, float]:
    return {"equal split": round(value, 4)}


def _row(
    name: str,
    value: float,
    unit: str,
    target: float | None = None,
    *,
    better: str = "less",
    peers: dict[str, float] | None = None,
) -> dict[str, Any]:
    found = {"name": name, "value": round(float(value), 4), "unit": unit, "better": better}
    return found | {"target": target, "peers": peers or {}}


def _quantile(values: Sequence[float], percent: float) -> float:
    return float(np.percentile(values, percent)) if values else float("nan")
