"""The demo: one command, and a newcomer watches a living station.

Every part is the real one: servers on loopback, a real database, real certificates. Only the
physics of the plant is computed.
"""

import contextlib
import datetime as dt
import json
import os
import time
import webbrowser
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from launcher import demo_config, report, scenario
from launcher.cloud_client import CloudClient
from launcher.demo_config import Ports
from launcher.demo_folder import again_commands, left_behind, run_folder
from launcher.dispatch_centre import DispatchCentre
from launcher.errors import LauncherError, WrongInput
from launcher.stack import Stack, market_today, schedule_for
from launcher.stopping import StoppedError, StopSignal

_RECEIPT_S = 30.0
_STATUS_EVERY_S = 10.0
_POLL_S = 0.2
_DRAIN_S = 60.0
# Samples younger than this when the stop begins may be between device and queue.
_SETTLE_S = 2
_SHOWN_MISSING = 5
_STOPPED = 130
"""128 + SIGINT, as shells say it."""
_LEAST_SHOWN = 1e-4
"""The station's figures have four decimals; less is a zero, and none is a minus zero."""


@dataclass(frozen=True)
class DemoOptions:
    """What the user asked for."""

    minutes: float
    scenario: str
    report: Path | None
    keep: Path | None
    browser: bool


def run_demo(options: DemoOptions) -> int:
    """Run the demo to its end; return the exit status.

    Raises:
        LauncherError: a part did not start, or the report cannot be written.
    """
    console = Console(highlight=False, soft_wrap=True)
    chosen = scenario.find(options.scenario)
    _check_report(options.report)
    stop = StopSignal()
    for folder in left_behind():
        console.print(f"  Left behind by an earlier run; remove it with: rm -r {folder}")
    with run_folder(options.keep) as folders:
        ports = Ports() if options.keep is None else Ports.fixed()
        stack = Stack(folders, chosen, ports=ports, scenario_waits=True, checkpoint=stop.check)
        try:
            return _Demo(console, stack, options, stop).run()
        except StoppedError:
            return _STOPPED
        finally:
            if options.keep is not None:
                stack.leave_station()
            stack.stop(lambda name: console.print(f"  {name} stops …"))


def _check_report(path: Path | None) -> None:
    if path is not None and not path.absolute().parent.is_dir():
        raise WrongInput(
            f"--report {path}: the folder {path.absolute().parent} does not exist. "
            "Remedy: make it, or choose another file."
        )


class _Demo:
    def __init__(
        self, console: Console, stack: Stack, options: DemoOptions, stop: StopSignal
    ) -> None:
        self.console = console
        self.stack = stack
        self.options = options
        self.stop = stop
        self.cuts = scenario.cable_cuts(stack.scenario)
        self.requests = scenario.agc_requests(stack.scenario)
        self.story = scenario.story(stack.scenario)

    def run(self) -> int:
        self.console.print(f"  Scenario {self.stack.scenario.stem}: {self.story.description}\n")
        with self._step("Virtual plant: 2 converters, 20 racks, 8,320 cells"):
            ports = self.stack.start_plant()
        with self._step("Test exchange: recorded German prices, moved to today"):
            self.stack.start_exchange()
        with self._step("Cloud: PostgreSQL, ingest, console, market desk"):
            self.stack.start_cloud()
        with self._step("Market: what is known of four years of prices"):
            self.stack.import_prices()
        with self.stack.client() as client:
            with self._step("Station enrols by one-time token"):
                self.stack.enrol_station(ports, client)
            with self._step("Station: controller, sealed telemetry"):
                self.stack.start_station()
            with self._step("Schedule signed, sent, accepted"):
                self._send_schedule(client)
            self.stop.check()
            self._show_addresses()
            self.stack.begin_scenario()
            started = time.monotonic()
            with self._dispatch_centre():
                self._watch(started)
            return self._finish(client, time.monotonic() - started)

    @contextlib.contextmanager
    def _dispatch_centre(self) -> Iterator[None]:
        """Let the grid's dispatch centre ask what the scenario says, where it says anything."""
        if not self.requests:
            yield
            return
        centre = DispatchCentre("127.0.0.1", self.stack.centre_port, self.requests)
        centre.start()
        try:
            yield
        finally:
            centre.stop()

    @contextlib.contextmanager
    def _step(self, title: str) -> Iterator[None]:
        self.stop.check()
        self.console.print(f"  {title} …", end=" ")
        begun = time.monotonic()
        yield
        self.console.print(f"{time.monotonic() - begun:.1f} s")

    def _send_schedule(self, client: CloudClient) -> None:
        today = market_today()
        for date in (today, today + dt.timedelta(days=1)):
            client.send_schedule(demo_config.STATION_ID, schedule_for(date))
        end = time.monotonic() + _RECEIPT_S
        while not all(order.get("receipt") for order in client.orders(demo_config.STATION_ID)):
            self.stop.check()
            if time.monotonic() > end:
                raise LauncherError(f"the station sent no receipt within {_RECEIPT_S:.0f} s.")
            time.sleep(_POLL_S)

    def _show_addresses(self) -> None:
        sign_in = self.stack.sign_in
        web = self.stack.addresses["web"]
        assert sign_in is not None  # noqa: S101 - client() has checked it
        self.console.print(
            f"\n  Console   {web}\n"
            f"  User      {sign_in.user}\n"
            f"  Password  {sign_in.password}\n"
            f"  API       {web}/api/openapi.json\n"
            f"  Logs      {self.stack.folders.logs}\n"
        )
        ends = (
            f"stops by itself after {self.options.minutes:g} min; " if self.options.minutes else ""
        )
        self.console.print(f"  {ends}Ctrl-C stops it.\n")
        if self.options.browser and _has_screen():
            webbrowser.open(web)

    def _watch(self, started: float) -> None:
        """Show the station's state now and then; pull and plug the cable as the scenario says."""
        pending = [
            action
            for cut in self.cuts
            for action in ((cut.at_s, "pull"), (cut.at_s + cut.for_s, "plug"))
        ]
        happenings = list(self.story.happenings)
        shown = -_STATUS_EVERY_S
        while not self.stop.set:
            elapsed = time.monotonic() - started
            if self.options.minutes and elapsed >= self.options.minutes * 60:
                break
            while pending and elapsed >= pending[0][0]:
                self._cable(pending.pop(0)[1])
            while happenings and elapsed >= happenings[0].at_s:
                happening = happenings.pop(0)
                self.console.print(f"  {_clock(elapsed)}  Scenario: {happening.words}")
            if elapsed - shown >= _STATUS_EVERY_S:
                shown = elapsed
                self._show_status(elapsed)
                self.stack.roll_prices()
            self._check_alive()
            time.sleep(_POLL_S)
        for _, action in pending:
            if action == "plug":
                self._cable(action)

    def _cable(self, action: str) -> None:
        relay = self.stack.relay
        assert relay is not None  # noqa: S101 - enrolment made it
        if action == "pull":
            relay.pull()
            self.console.print("  The cable to the cloud is pulled.")
        else:
            relay.plug()
            self.console.print("  The cable to the cloud is back.")

    def _check_alive(self) -> None:
        for child in (self.stack.plant, self.stack.cloud, self.stack.station):
            if child is not None:
                child.require_running()

    def _show_status(self, elapsed: float) -> None:
        self.console.print("  " + status_line(self.stack.status(), elapsed))

    def _finish(self, client: CloudClient, duration_s: float) -> int:
        self.console.print("\n  Stopping the station; its queue drains first …")
        memory = self.stack.memory_mb()
        until_s = int(time.time()) - _SETTLE_S
        status = self._drain()
        ticks = report.served(self.stack.folders.record, until_s)
        counts = report.count(client, demo_config.STATION_ID, ticks)
        result = report.build(
            status=status,
            counts=counts,
            ledger=client.ledger(demo_config.STATION_ID, 0, int(time.time() * 1000)),
            orders=client.orders(demo_config.STATION_ID),
            memory_mb=memory,
            shape=self._shape(client, ticks),
            scenario=self.stack.scenario.stem,
            duration_s=duration_s,
        )
        if self.options.keep is not None:
            self.console.print(
                f"  Kept in {self.options.keep}; user and password stay valid. To start it again, "
                "each in a terminal of its own (docs/engineer.md):"
            )
            for command in again_commands(self.options.keep):
                self.console.print(f"    {command}")
        self._show_result(result)
        if self.options.report is not None:
            self.options.report.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
        return 1 if result["samples_lost"] or result["samples_duplicated"] else 0

    def _drain(self) -> dict[str, Any]:
        station = self.stack.station
        assert station is not None  # noqa: S101 - started above
        station.stop(_DRAIN_S)
        return self.stack.status()

    def _shape(self, client: CloudClient, streams: Iterable[report.Stream]) -> dict[str, int]:
        cells = (stream.layout.partition("/")[2] for stream in streams)
        return {
            "points": len(client.live(demo_config.STATION_ID)["points"]),
            "cells": sum(int(number) for number in cells if number),
        }

    def _show_result(self, result: dict[str, Any]) -> None:
        latency = result["cloud_latency_s"] or {}
        schedule = result["schedule"] or {}
        self.console.print(
            f"  Samples   {result['samples_stored']:,} stored of {result['samples_acquired']:,} "
            f"served; {result['samples_lost']} lost, {result['samples_duplicated']} duplicated\n"
            f"{_named(result['missing'])}"
            f"  Latency   p50 {_text(latency.get('p50'))} s, p99 {_text(latency.get('p99'))} s\n"
            f"  Bytes     {_text(result['wire_bytes_per_value'])} a value on the wire, "
            f"{_text(result['disk_bytes_per_value'])} on disk\n"
            f"  Schedule  {_text(schedule.get('rms_error_pct_of_rated'))} % of rated, RMS"
        )


def _named(missing: list[dict[str, Any]]) -> str:
    """The first of the missing samples, a line each."""
    lines = [
        f"            {one['device']} {one['layout']} of "
        f"{dt.datetime.fromtimestamp(one['tick'], dt.UTC):%H:%M:%S} UTC: {one['reason']}"
        for one in missing[:_SHOWN_MISSING]
    ]
    if len(missing) > _SHOWN_MISSING:
        lines.append("            … and more: --report FILE names them")
    return "".join(f"{line}\n" for line in lines)


def status_line(status: dict[str, Any], elapsed_s: float) -> str:
    """One line about the station: time, link, power, SOC, queue, cycle."""
    station = status.get("station", {})
    cycle = status.get("cycle_ms") or {}
    return (
        f"{_clock(elapsed_s)}  link {status.get('link', '–')}  "
        f"power {_text(station.get('delivered_power_kw'))} kW "
        f"(target {_text(station.get('target_power_kw'))})  "
        f"SOC {_text(_percent(station.get('soc')))} %  "
        f"queue {status.get('queue', '–')}  cycle p99 {_text(cycle.get('p99'))} ms"
    )


def _clock(elapsed_s: float) -> str:
    minutes, seconds = divmod(int(elapsed_s), 60)
    return f"{minutes:3d}:{seconds:02d}"


def _percent(share: float | None) -> float | None:
    return None if share is None else share * 100


def _text(value: float | None) -> str:
    if value is None:
        return "–"
    if abs(value) < _LEAST_SHOWN:
        return "0"
    return f"{value:,.3g}" if abs(value) < 10 else f"{value:,.1f}"  # noqa: PLR2004 - display


def _has_screen() -> bool:
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
