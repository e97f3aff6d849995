"""The controller: the only one that knows all rooms of the station, and wires them.

Drivers -> image and telemetry; once a second image -> protection -> plan -> set-points ->
drivers, and in between the fast loop inside that plan; orders -> journal -> control state;
everything computed -> telemetry. A part that fails is started again; the loops survive whatever
goes wrong in one pass of them.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from itertools import chain
from typing import Any

from cryptography import x509

from contract.layouts import (
    DISPATCH,
    ESTIMATE,
    ESTIMATE_LIMIT,
    ESTIMATE_STATION,
    ESTIMATE_SUMMARY,
    LIMITS,
    METER,
    STATION,
)
from contract.words import Words
from station.alarms import AlarmBook, Condition
from station.cell_desk import CellDesk
from station.centre_desk import CentreDesk
from station.clock import now_ms
from station.command_book import CommandBook, Page
from station.command_cause import cause_of
from station.command_log import RESUME_SOURCE, CommandLog
from station.computed import Instant, computed_sample
from station.config import Role, StationConfig
from station.control.cycle import ControlCycle, ControlState, CycleResult
from station.device_clocks import DeviceClocks
from station.devices import Devices, cells_of_racks
from station.dispatch.commands import Command
from station.dispatch.regulation import load_regulation
from station.estimator_desk import DeskPorts, EstimatorDesk
from station.executor import CommandExecutor
from station.files import FilesKeeper, Latches
from station.image import Image, ProcessImage
from station.journal import Effects, Journal, JournalError
from station.loops import LoopPorts, Loops, steady_ms
from station.models import Models, ModelsPorts
from station.office import Office
from station.on_site_desk import OnSiteDesk
from station.protection_files import protection_settings
from station.protocols import Bundle, DeviceStatus, FastReading
from station.realtime import ask_for_priority, spare_the_collector
from station.samples import Sample
from station.security import Identity, load_identity
from station.security.enrol import require_own_certificate
from station.security.identity import replace_certificate
from station.station_row import DEVICE, dispatch_values, limit_values, station_values
from station.status import plain_numbers
from station.status_report import Counts, StatusParts, status_report
from station.story import Story
from station.supervise import Supervisor
from station.telemetry import Telemetry, TelemetryPorts
from station.tracking_error import TrackingError
from station.uplink.link import CloudLink, Credentials
from station.uplink.orders import OrderOffice, OrderReceiver
from station.uplink.renewal import Renewal
from station.uplink.worker import BlockingWorker
from station.watch import Watch

log = logging.getLogger(__name__)

_DRAIN_S = 15.0
_EXTRA_CONNECTIONS = 4
_HEALTH_S = 600.0
"""Cells age over months: a process that is replaced must not make the limits jump meanwhile."""


class Controller:
    """One running station."""

    def __init__(self, config: StationConfig, identity: Identity) -> None:
        """Open the files and wire the parts; call within a running event loop.

        Raises:
            StationError: a file cannot be used; the text says which and what to do.
        """
        self._config = config
        self._identity = identity
        self._started_ms = now_ms()
        config.station.data_dir.mkdir(parents=True, exist_ok=True)
        self._image = ProcessImage(_staleness(config))
        self._wire_uplink()
        self._devices = Devices(
            config,
            self._telemetry.queue.resume_points(),
            self._on_bundle,
            self._on_status,
            self._on_fast,
        )
        self._open_books()
        self._wire_control()
        self._alarms = AlarmBook(config.station.id)
        self._estimators = EstimatorDesk(
            config,
            {} if config.estimators is None else cells_of_racks(config),
            DeskPorts(self._on_computed, self._note, self._alarms.raise_for),
            self._models.desk,
        )
        self._watch = Watch(
            self._devices, self._executor, self._telemetry, self._link, self._alarms
        )
        self._cells = CellDesk(self._on_computed)
        self._clocks = DeviceClocks()
        self._acquired: Counter[str] = Counter()
        self._values: dict[str, float] = {}
        self._oldest_s: dict[str, float] = {}
        self._releasing: asyncio.Task[None] | None = None
        self._story = Story(self._alarms, self._command_book, self._control)
        self._parts, self._carriers = Supervisor(), Supervisor()
        self._status_parts = StatusParts(
            *(self._link, self._loops, self._telemetry, self._tracking),
            *(self._control, self._alarms, self._devices),
        )

    def _wire_uplink(self) -> None:
        config = self._config
        self._link = CloudLink(
            config.cloud.url,
            _credentials(self._identity),
            connections=config.cloud.in_flight + _EXTRA_CONNECTIONS,
        )
        self._telemetry = Telemetry(
            config.station.data_dir,
            config.cloud,
            self._identity,
            self._link,
            TelemetryPorts(
                resume_points=self._resume_points,
                picture=self._picture,
                on_quarantine=self._on_quarantine,
            ),
        )

    def _open_books(self) -> None:
        site = self._config.station
        self._work = BlockingWorker("journal")
        self._journal = Journal(site.data_dir / "journal.sqlite")
        self._command_log = CommandLog(site.data_dir / "commands.sqlite", site.id)
        queued = self._telemetry.queue.resume_points().get(RESUME_SOURCE)
        self._telemetry.add_commands(*self._command_log.recover(queued, self._started_ms))
        self._command_book = CommandBook(site.id, self._likely_cause)
        models = ModelsPorts(self._on_model, self._on_order_failed)
        self._models = Models(self._config, self._link, self._journal, self._work, models)

    def _wire_control(self) -> None:
        config, site = self._config, self._config.station
        regulation = None
        if config.regulation is not None:
            asked = config.regulation
            regulation = load_regulation(asked.file, asked.capacity_kw, asked.period_s)
        state, protection = ControlState(), protection_settings(config)
        self._control = ControlCycle(config, protection, regulation, state)
        self._office = Office(site, state, protection.rules, self._control, now_ms)
        self._office.models = self._models.desk
        memory = self._journal.recall()
        self._office.restore(memory)
        self._files = FilesKeeper(
            self._work,
            self._journal,
            self._command_log,
            status_file=site.data_dir / "status.json",
            latches=self._latches,
            to_cloud=self._telemetry.add_commands,
        )
        self._order_counts = Counter(memory.outcomes)
        self._centre = CentreDesk(config)
        self._tracking = TrackingError(site.rated_power_kw)
        self._executor = CommandExecutor(
            self._devices.command,
            self._control.points,
            self._tracking.accepted,
            self._likely_cause,
        )
        ports = LoopPorts(self._send, self._on_second, self._on_cycle_failure)
        self._loops = Loops(config, self._control, self._image, ports)
        self._orders = self._receiver(memory.last_counter)
        self._models.begin(self._orders, memory)

    def _receiver(self, last_counter: int) -> OrderReceiver:
        config, office = self._config, self._office
        return OrderReceiver(
            self._link,
            self._journal,
            self._work,
            station=config.station.id,
            keys=self._identity.order_keys,
            sign=self._identity.keys.signing,
            office=OrderOffice(
                office.judge,
                office.carry_out,
                self._on_order_refused,
                self._on_order_failed,
            ),
            last_counter=last_counter,
            longest_pause_s=config.cloud.retry_max_s,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Run the station until `stop` is set, then leave everything in good order."""
        config = self._config
        ask_for_priority(config.fast_loop.realtime_priority, threads_too=False)
        self._telemetry.add_events([self._alarms.note("station.started", self._started_ms)])
        log.info("event=started station=%s epoch=%d", config.station.id, self._telemetry.epoch)
        await self._centre.start()
        await self._devices.start()
        spare_the_collector()
        self._estimators.start()
        self._carriers.start("sender", self._telemetry.sender.run)
        self._parts.start("commits", self._telemetry.run_commits)
        self._parts.start("cycles", self._loops.run_seconds)
        self._parts.start("fast", self._loops.fast.run)
        self._parts.start("orders", self._orders.run)
        self._parts.start("models", self._models.run)
        desk = OnSiteDesk(
            *(config.station, self._office, self._journal, self._work, self._note),
            failed=self._on_order_failed,
        )
        self._parts.start("on-site", desk.run)
        self._parts.start("live", lambda: self._telemetry.live.run(config.cloud.live_period_s))
        self._parts.start("renewal", self._renewal().run)
        if config.control.heartbeat_s:
            beats = self._devices.run_heartbeats
            self._parts.start(
                "heartbeats",
                lambda: beats(config.control.heartbeat_s, lambda: self._loops.alive),
            )
        await stop.wait()
        await self._close()

    async def _close(self) -> None:
        log.info("event=stopping station=%s", self._config.station.id)
        # First of all nobody looks any more: what ends now is no fault to be told.
        await self._parts.stop()
        await self._centre.close()
        await self._executor.close()
        await asyncio.gather(self._devices.close(), self._estimators.close())
        self._telemetry.add_events([self._alarms.note("station.stopped", now_ms())])
        await self._files.finish()
        self._command_book.note(self._executor.take_changed())
        await self._files.keep_commands(self._command_book.page(now_ms()))
        await self._telemetry.drain(_DRAIN_S, link=self._link)
        await self._carriers.stop()
        await self._telemetry.close()
        await self._files.write(Page(now_ms()), self._status())
        await self._link.close()
        self._models.close()
        self._work.close()
        self._journal.close()
        self._command_log.close()
        log.info("event=stopped station=%s", self._config.station.id)

    def _on_bundle(self, bundle: Bundle) -> None:
        arrived_ms = steady_ms()
        for reading in self._cells.take(self._clocks.take(bundle)).readings():
            self._image.update(reading, arrived_ms)
            if self._telemetry.add(reading):
                self._acquired["samples"] += 1
                self._acquired["values"] += len(reading.quality)

    def _on_computed(self, sample: Sample) -> None:
        self._image.update(sample)
        self._telemetry.add(sample)

    def _on_status(self, status: DeviceStatus) -> None:
        self._image.set_connected(status.device, connected=status.connected)

    def _on_cycle_failure(self, *, active: bool) -> None:
        condition = Condition("control.cycle_failed", DEVICE, now_ms())
        self._telemetry.add_events([self._alarms.tell(condition, active=active)])

    def _on_fast(self, reading: FastReading) -> None:
        self._loops.on_fast(self._clocks.take_fast(reading))

    def _on_quarantine(self, reason: str) -> None:
        self._watch.batch_quarantined(reason)

    def _on_order_refused(self, code: str, reason: str) -> None:
        self._watch.order_refused(code, reason)

    def _on_order_failed(self, words: Words) -> None:
        self._watch.order_failed(words)

    def _on_model(self, condition: Condition, active: bool) -> None:  # noqa: FBT001 - an event's edge
        self._telemetry.add_events([self._alarms.tell(condition, active=active)])

    def _note(self, code: str, words: Words) -> None:
        self._telemetry.add_events([self._alarms.note(code, now_ms(), words)])

    def _resume_points(self) -> dict[str, str]:
        return self._devices.resume_points()

    def _renewal_due(self) -> datetime:
        return self._identity.renew_at()

    def _picture(self) -> Sequence[Sample]:
        return self._image.newest()

    def _send(self, commands: Sequence[Command]) -> None:
        self._command_book.note(commands)
        for command in commands:
            self._executor.send(command)

    def _end_manual(self) -> None:
        """End a person's set-point at an emergency stop: nobody has confirmed it since."""
        self._control.state.wishes.manual = None
        self._releasing = asyncio.create_task(self._write_release())

    async def _write_release(self) -> None:
        try:
            await self._work.call(self._journal.record, [], None, Effects(release=True))
        except JournalError:
            # Only the disk's memory is missing: the set-point is over, and would come back with
            # a restart before its time is up.
            log.exception("event=release_not_written")

    def _on_second(self, image: Image, result: CycleResult) -> None:
        """Tell people and the cloud what this second brought; prepare the next one."""
        at_ms, loops = result.at_ms, self._loops
        for meter in self._config.with_role(Role.METER)[:1]:
            self._tracking.add(image.get(meter.tag, METER.name), self._control.wanted)
        wishes = self._control.state.wishes
        if result.verdict.emergency_stop and wishes.manual is not None:
            self._end_manual()
        wishes.agc, wishes.agc_kvar = self._centre.inputs(), self._centre.asked_kvar
        self._watch.centre_lost = self._centre.lost
        self._watch.centre_restarts = self._centre.restarts
        for name, words in self._centre.take_refusals():
            self._watch.centre_refused(name, words)
        self._watch.note_happenings(at_ms, loops.clock.missed, loops.fast.cadence)
        conditions = chain(
            self._watch.conditions(image, result),
            self._estimators.conditions(),
            self._cells.conditions(),
            self._clocks.conditions(at_ms),
        )
        self._telemetry.add_events(self._alarms.update(conditions, at_ms))
        self._telemetry.add_events(self._story.tell(result, loops.take_clock_words()))
        facts = self._watch.facts(image, loops.clock.last_ms, self._centre.asked_kw, loops.fast)
        values = station_values(result, image, self._config, facts)
        self._centre.show(image, result, values["soc"], values["capacity_kwh"])
        self._oldest_s = image.oldest_s()
        at = Instant(at_ms // 1000 * 1000, at_ms)
        self._on_computed(computed_sample(DEVICE, STATION, values, at))
        dispatched = dispatch_values(result, facts)
        self._on_computed(computed_sample(DEVICE, DISPATCH, dispatched, at))
        origins = limit_values(result, self._config, self._estimators.bounding_racks())
        self._on_computed(computed_sample(DEVICE, LIMITS, origins, at))
        racks = result.verdict.limits.racks
        allowed = {tag: (into.current_a, out.current_a) for tag, (into, out) in racks.items()}
        self._estimators.on_second(image, at.second_ms, allowed)
        self._write(result, values | {"protection_level": dispatched["protection_level"]})

    def _write(self, result: CycleResult, values: dict[str, float]) -> None:
        """Bring latches, ledger and status file to the disk, off the loop."""
        self._values = values
        self._command_book.note(self._executor.take_changed())
        self._command_book.note(result.changed)
        if self._files.is_idle:
            self._files.begin(self._command_book.page(result.at_ms), self._status())

    def _latches(self) -> Latches:
        return self._control.state.protection.latches()

    def _likely_cause(self, command: Command) -> Words:
        image = self._image.freeze(now_ms(), steady_ms())
        return cause_of(command, image, self._config, self._control.plan)

    def _status(self) -> dict[str, Any]:
        failures = self._parts.failures + self._carriers.failures + self._files.failures
        orders = self._order_counts + self._orders.outcomes
        counts = Counts(self._acquired, orders, failures, self._values)
        report = status_report(self._status_parts, counts, now_ms())
        report |= {"oldest_s": plain_numbers(self._oldest_s), "preprocessing": self._cells.report()}
        estimators = self._estimators.status()
        return report if estimators is None else {**report, "estimators": estimators}

    def _renewal(self) -> Renewal:
        """Keep the certificate young."""
        site = self._config.station

        async def install(certificate: bytes, authority: bytes) -> None:
            identity = self._identity
            new = x509.load_pem_x509_certificate(certificate)
            require_own_certificate(new, identity.keys, site.id)
            replace_certificate(identity, certificate, authority)
            self._identity = load_identity(site.data_dir, site.id)
            await self._link.renew_credentials(_credentials(self._identity))

        return Renewal(
            self._link,
            due=self._renewal_due,
            signing_request=lambda: self._identity.keys.signing_request(site.id),
            install=install,
        )


def _staleness(config: StationConfig) -> dict[str, float]:
    """Return the age in seconds past which rows are stale, by layout."""
    own = (STATION, DISPATCH, LIMITS)
    limits = config.staleness.model_dump() | {layout.name: 10.0 for layout in own}
    limits |= {ESTIMATE.name: 10.0, ESTIMATE_STATION.name: 10.0, ESTIMATE_LIMIT.name: _HEALTH_S}
    limits[ESTIMATE_SUMMARY.name] = config.staleness.cells
    if config.estimators is not None:
        limits["estimate.cells"] = 3 * config.estimators.cells_period_s + 5.0
    return limits


def _credentials(identity: Identity) -> Credentials:
    return Credentials(identity.certificate_file, identity.key_file, identity.authority_file)
