"""Devices that misbehave as a scenario says, read by a real driver process.

Whatever they do: no wrong value is ever handed over, what is not known is flagged, a device that
cannot be read is told once and its recovery once, and its neighbours are read on.
"""

import asyncio
import contextlib
import logging
import re
import time
import tomllib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest

from contract.frame import Quality
from simulator.config import DATA
from simulator.modbus.image import Table
from simulator.plant import Plant, PlantParameters
from simulator.record import Record as PlantRecord
from simulator.scenario import ScenarioPlayer
from simulator.scenario_file import Scenario
from simulator.servers import Devices
from station.image import ProcessImage
from station.protocols.bundle import Bundle
from station.protocols.driver import DeviceSpec, Reading
from station.protocols.host import DriverHost
from tests.station.protocols.test_modbus_driver import Record
from tests.waiting import wait_for

CELLS = 20
RACKS = ("C1-R01", "C1-R02")
LAYOUT = f"rack.cells/{CELLS}"
TICK_S = 0.2
"""The plant's second lasts so long here."""
BEGINS_S, LASTS_S = 10.0, 10.0
PROFILE = f"""
title = "small rack"
space = "input"
parameters.cells = {CELLS}
polling = {{ period_s = {TICK_S}, timeout_s = 0.15, POLLING }}
time = {{ address = 0, type = "u32", unit = "s", holds_s = 5 }}

[[expect]]
address = 27
type = "u16"
equals = {CELLS}
meaning = "number of cells"

[[expect]]
address = 29
type = "u16"
equals = "unit"
meaning = "number of the rack"

[layouts.rack]
voltage_v = {{ address = 4, type = "u16", scale = 0.1 }}
power_kw = {{ address = 6, type = "s32", word_order = "lo-hi", scale = 0.1 }}
soc = {{ address = 8, type = "u16", scale = 0.001 }}
cell_temperature_min_c = {{ address = 17, type = "s16", scale = 0.1 }}

[layouts."rack.cells/{{cells}}"]
cell_voltage_v = {{ address = 1000, type = "u16", scale = 0.001, repeat = "cells" }}
cell_temperature_c = {{ address = 2000, type = "s16", scale = 0.1, repeat = "cells" }}
"""
SERIAL = "in_flight = 1"
PIPELINED = "in_flight = 4, max_registers = 5, phase_s = 0.1"
"""Nine questions of one kind and length under way together: a reply fits several of them."""
LATE_NUMBER = "max_gap = 5"
"""The rack's number comes with a later question than its time."""


class Stage:
    """A small plant whose second is short, its scenario, and what a driver process reads of it."""

    def __init__(self, event: dict[str, object]) -> None:
        parameters = PlantParameters(
            DATA / "battery" / "lfp-280ah.toml",
            containers=1,
            racks_per_container=len(RACKS),
            cells_per_rack=CELLS,
        )
        self.devices = Devices(Plant(parameters), PlantRecord(None), DATA / "simulator" / "pcs.icd")
        played = {"at_s": BEGINS_S, "for_s": LASTS_S, **event}
        scenario = Scenario.model_validate({"name": "s", "description": "", "events": [played]})
        self._player = ScenarioPlayer(scenario, self.devices, Path("s.toml"))
        self.tick = int(time.time()) - 30
        self.held: dict[tuple[str, int], tuple[list[int], list[int]]] = {}
        """Cell voltages in mV and temperatures in 0.1 deg C of each rack at each tick."""
        self.seen = Record()
        self.image = ProcessImage({"rack": 3600, "cells": 3600})

    async def begin(self) -> None:
        await self._player.play(BEGINS_S)

    async def end(self) -> None:
        await self._player.play(BEGINS_S + LASTS_S)

    def show(self) -> None:
        """Let a second of the plant pass."""
        self.tick += 1
        self.devices.plant.step(1.0)
        self.devices.publish(self.tick)
        for tag in RACKS:
            find = self.devices.units[tag].image.find
            voltages, temperatures = (find(Table.INPUT, at, CELLS) for at in (1000, 2000))
            assert voltages is not None
            assert temperatures is not None
            self.held[tag, self.tick] = (
                np.frombuffer(voltages, ">u2").tolist(),
                np.frombuffer(temperatures, ">i2").tolist(),
            )

    def take(self, bundle: Bundle) -> None:
        for reading in bundle.readings():
            self.seen(reading)
            self.image.update(reading)

    def since(self, count: int, device: str) -> list[Reading]:
        """Readings of cells after the first `count` of all."""
        rest = self.seen.readings[count:]
        return [r for r in rest if (r.device, r.layout) == (device, LAYOUT)]

    async def read_anew(self, *devices: str, usable: Callable[[Reading], bool]) -> None:
        """Wait until each device has brought a usable reading from now on."""
        count = len(self.seen.readings)
        for device in devices:
            await wait_for(
                lambda device=device: any(usable(r) for r in self.since(count, device)),
                f"readings of {device}",
            )

    def check_values(self, offset_s: int = 0) -> None:
        """Every value handed over is one that the device held at that moment, or is flagged."""
        for reading in self.seen.readings:
            usable = reading.quality <= Quality.QUESTIONABLE
            raw = np.concatenate(reading.values)
            assert not raw[~usable].any()
            if reading.layout != LAYOUT:
                continue
            tick = reading.time_ms // 1000
            if (reading.device, tick) not in self.held:
                tick -= offset_s
            held = np.concatenate(self.held[reading.device, tick])
            assert raw[usable].tolist() == held[usable].tolist()


def all_of(quality: Quality) -> Callable[[Reading], bool]:
    return lambda reading: bool((reading.quality == quality).all())


GOOD = all_of(Quality.GOOD)


@contextlib.asynccontextmanager
async def staged(folder: Path, polling: str = SERIAL, **event: object) -> AsyncIterator[Stage]:
    """Begin with all racks read; end with the driver process closed and all values checked."""
    profile = folder / "rack.toml"
    profile.write_text(PROFILE.replace("POLLING", polling))
    stage = Stage(event)
    stage.show()
    ports = await stage.devices.start("127.0.0.1", 0)
    specs = [
        DeviceSpec(tag, str(profile), "127.0.0.1", ports["C1-BMS"], n)
        for n, tag in enumerate(RACKS, 1)
    ]
    host = DriverHost("modbus", specs, stage.take, stage.seen)

    async def seconds_pass() -> None:
        while True:
            await asyncio.sleep(TICK_S)
            stage.show()

    passing = asyncio.create_task(seconds_pass())
    await host.start()
    try:
        await stage.read_anew(*RACKS, usable=GOOD)
        yield stage
    finally:
        await host.close()
        passing.cancel()
        await stage.devices.stop()


@pytest.fixture(autouse=True)
def information(caplog):
    """A driver process logs at the level of its host."""
    caplog.set_level(logging.INFO)


def logged(text: str, device: str) -> list[str]:
    return re.findall(rf"device={device} event=(\w+)", text)


@dataclass(frozen=True)
class Case:
    """One kind of misbehaviour, whose racks it makes unreadable, and what is said of it.

    `reason` is a pattern; an empty one would fit whatever is said.
    """

    kind: str
    target: str
    reason: str
    value: float | None = None
    victims: tuple[str, ...] = RACKS[:1]
    polling: str = SERIAL

    def __str__(self) -> str:
        return self.kind if self.polling == SERIAL else f"{self.kind}, {self.polling}"

    def __post_init__(self) -> None:
        assert self.reason

    def event(self) -> dict[str, object]:
        value = {} if self.value is None else {"value": self.value}
        return {"kind": self.kind, "target": self.target, **value}


SHORT, CUT, FOREIGN = "bytes of data came back", "breaks off", "of another"
CASES = (
    Case("reply_slow", "C1-BMS", "no answer|answers none", 1.0, RACKS),
    Case("reply_short", "C1-R01", SHORT, 1),
    Case("reply_cut", "C1-R01", CUT, 3),
    Case("reply_wrong_transaction", "C1-R01", FOREIGN),
    Case("reply_exception", "C1-R01", "server device failure", 4),
    Case("reply_of_other_unit", "C1-R01", "unit"),
    Case("values_of_other_unit", "C1-R01", "unit 2 answers in place of unit 1"),
    Case("values_of_other_unit", "C1-R01", "unit 2 answers", polling=LATE_NUMBER),
    Case("connection_reset", "C1-R01", "connection"),
    Case("clock_stopped", "C1-R01", "stands still"),
    Case("connection_half_open", "C1-BMS", "no answer|answers none", None, RACKS),
    Case("reply_slow", "C1-BMS", "no answer|answers none", 1.0, RACKS, PIPELINED),
    Case("reply_short", "C1-R01", SHORT, 1, polling=PIPELINED),
    Case("reply_cut", "C1-R01", CUT, 3, polling=PIPELINED),
    Case("reply_wrong_transaction", "C1-R01", FOREIGN, polling=PIPELINED),
)


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_device_that_cannot_be_read_is_told_once_and_no_value_of_it_is_wrong(
    tmp_path, capfd, case
):
    async with staged(tmp_path, case.polling, **case.event()) as stage:
        await stage.begin()
        for tag in case.victims:
            await wait_for(lambda tag=tag: stage.seen.connected(tag) is False, f"{tag} lost")
        spared = [tag for tag in RACKS if tag not in case.victims]
        await stage.read_anew(*spared, usable=GOOD)
        await stage.end()
        await stage.read_anew(*RACKS, usable=GOOD)
        for tag in case.victims:
            await wait_for(lambda tag=tag: stage.seen.connected(tag), f"{tag} back")
    log = capfd.readouterr().err

    stage.check_values()
    for tag in RACKS:
        hit = tag in case.victims
        told = [s.connected for s in stage.seen.statuses if s.device == tag]
        # A newer cause is told as well, and logged only where it is of another kind.
        turns = [connected for connected, _ in groupby(told)]
        assert turns == ([True, False, True] if hit else [True])
        assert logged(log, tag) == (["unreachable", "back"] if hit else [])
    assert re.search(case.reason, next(s.reason for s in stage.seen.statuses if not s.connected))


async def test_a_peer_that_vanished_without_a_word_is_called_anew(tmp_path, capfd):
    async with staged(tmp_path, kind="connection_half_open", target="C1-BMS") as stage:
        await stage.begin()
        await stage.end()  # the old connection stays deaf, and nobody says so
        await wait_for(lambda: stage.seen.connected("C1-R01") is False, "the loss")
        await stage.read_anew(*RACKS, usable=GOOD)
    log = capfd.readouterr().err

    stage.check_values()
    assert [logged(log, tag) for tag in RACKS] == [["unreachable", "back"]] * 2


@pytest.mark.parametrize("jump_s", [3600, -3600])
async def test_a_clock_that_jumps_makes_values_questionable_until_it_is_right(
    tmp_path, capfd, jump_s
):
    event = {"kind": "clock_jump", "target": "C1-R01", "value": jump_s}
    async with staged(tmp_path, **event) as stage:
        await stage.begin()
        await stage.read_anew("C1-R01", usable=all_of(Quality.QUESTIONABLE))
        await stage.read_anew("C1-R02", usable=GOOD)
        await stage.end()
        await stage.read_anew("C1-R01", usable=GOOD)
        shown = stage.image.freeze(stage.tick * 1000, 0).get("C1-R01", LAYOUT)
    log = capfd.readouterr().err

    stage.check_values(offset_s=jump_s)
    assert {q for r in stage.since(0, "C1-R02") for q in r.quality.tolist()} == {Quality.GOOD}
    assert logged(log, "C1-R01") == ["clock_wrong", "clock_right"]
    assert logged(log, "C1-R02") == []
    assert shown is not None
    assert shown.sample.quality.tolist() == [Quality.GOOD] * 2 * CELLS


async def test_values_that_stand_still_come_with_the_clock_that_goes_on(tmp_path, capfd):
    async with staged(tmp_path, kind="values_frozen", target="C1-R01") as stage:
        await stage.begin()
        stage.show()
        first = stage.held["C1-R01", stage.tick]
        await stage.read_anew("C1-R01", usable=lambda r: r.time_ms // 1000 > stage.tick - 2)
        count = len(stage.seen.readings)
        await wait_for(lambda: len(stage.since(count, "C1-R01")) >= 2, "two more ticks")
        shown = stage.since(count, "C1-R01")[:2]
        await stage.end()
    log = capfd.readouterr().err

    stage.check_values()
    assert shown[0].time_ms < shown[1].time_ms
    assert [r.values[0].tolist() for r in shown] == [first[0]] * 2
    assert logged(log, "C1-R01") == []


async def test_markers_of_no_value_are_invalid_and_no_values(tmp_path, capfd):
    async with staged(tmp_path, kind="invalid_markers", target="C1-R01") as stage:
        await stage.begin()
        await stage.read_anew("C1-R01", usable=all_of(Quality.INVALID))
        await stage.read_anew("C1-R02", usable=GOOD)
        await stage.end()
        await stage.read_anew("C1-R01", usable=GOOD)
    log = capfd.readouterr().err

    stage.check_values()
    flags = {q for r in stage.seen.readings for q in r.quality.tolist()}
    assert flags == {Quality.GOOD, Quality.INVALID, Quality.MISSING}
    assert [logged(log, tag) for tag in RACKS] == [[], []]


def test_the_scenario_of_misbehaving_devices_shows_every_kind_that_is_tested_here():
    text = (DATA / "simulator" / "scenarios" / "device-misbehaviour.toml").read_text()

    shown = {event["kind"] for event in tomllib.loads(text)["events"]}

    assert shown == {case.kind for case in CASES} | {
        "clock_jump", "values_frozen", "invalid_markers",
    }  # fmt: skip
