"""What devices do wrong: each ends in a flag and one line in the log, never in a wrong value."""

import asyncio
import contextlib
import logging
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from contract.frame import Quality
from simulator.iec61850.server import PcsServer
from station.protocols.driver import ONLINE, DeviceSpec, Reading
from station.protocols.iec61850.driver import Iec61850Driver
from station.protocols.iec61850.mapping import STANDARD
from station.protocols.profile_files import find
from tests.station.protocols.iec61850_peer import ANALOG, ICD, Converter
from tests.station.protocols.test_iec61850_driver import Resuming, named, spec_of, times
from tests.station.protocols.test_iec61850_simulator import Converter as Simulated
from tests.waiting import wait_for

HOUR_S = 3600
FAULT = 4


def reconfigured(text: str) -> str:
    """Another revision of the data sets: the first two measurements have changed places."""
    first, second = (f'doName="{name}" fc="MX"/>' for name in ("TotW", "TotVAr"))
    text = text.replace(first, "@").replace(second, first).replace("@", second)
    return text.replace('confRev="1"', 'confRev="2"')


@contextlib.asynccontextmanager
async def driving(*specs: DeviceSpec):
    driver, record = Iec61850Driver(specs, {}), Resuming()
    task = asyncio.create_task(driver.run(record))
    try:
        yield record
    finally:
        await driver.close()
        await task


def told(caplog, event: str) -> list[str]:
    return [r.getMessage() for r in caplog.records if f"event={event}" in r.getMessage()]


def powers_are_right(readings: list[Reading], converter: Converter) -> bool:
    """Whether each reading tells the power of its own tick."""
    for reading in readings:
        step = reading.time_ms // 1000 - converter.began_s
        expected = round((ANALOG["MMXU1.TotW.mag.f"] + step) / 100)
        if abs(named(reading)["active_power_kw"][0] - expected) > 1:
            return False
    return True


def restarted(converter: Converter, folder: Path, port: int) -> Converter:
    """The device with another configuration, at the same address."""
    folder.mkdir()
    converter.stop()
    again = Converter(folder, change=reconfigured, port=port)
    again.now_s, again.began_s = converter.now_s, converter.began_s
    return again.start()


async def test_a_device_that_comes_back_configured_otherwise_is_bound_anew_and_doubted(
    tmp_path, caplog
):
    caplog.set_level(logging.INFO)
    converter = Converter(tmp_path).start()
    port = converter.port
    async with driving(spec_of(converter)) as record:
        await wait_for(lambda: converter.enabled, "reports enabled")
        before = converter.tick()
        await wait_for(lambda: before in times(record), "a reading")

        other = restarted(converter, tmp_path / "other", port)
        await wait_for(lambda: other.enabled, "reports enabled again")
        after = other.tick()
        await wait_for(lambda: after in times(record), "a reading of the other configuration")
        other.set_state("ZINV1.GridModSt.stVal", FAULT)
        await wait_for(lambda: math.isnan(record.fast[-1].values["pcs_state"]), "no known state")
        other.drop_clients()
        await wait_for(lambda: not other.enabled, "the break")
        await wait_for(lambda: other.enabled, "reports enabled once more")
        later = other.tick()
        await wait_for(lambda: later in times(record), "a reading after the break")

        converter.icd.write_text(other.icd.read_text("utf-8"), "utf-8")
        doubted = list(record.readings)
        other.drop_clients()
        await wait_for(lambda: not other.enabled, "the second break")
        await wait_for(lambda: other.enabled, "reports enabled by the new file")
        vouched = other.tick()
        await wait_for(lambda: vouched in times(record), "a reading by the new file")
        await wait_for(lambda: record.fast[-1].values["pcs_state"] == FAULT, "the state")
    other.stop()

    assert powers_are_right(record.readings, converter)
    flags = [named(reading)["active_power_kw"][1] for reading in doubted]
    assert flags[0] is Quality.GOOD
    assert set(flags[1:]) == {Quality.QUESTIONABLE}
    assert named(record.readings[-1])["active_power_kw"][1] is Quality.GOOD
    anew = told(caplog, "bound_anew")
    assert len(anew) == 2
    assert "configuration revision 2" in anew[0]
    assert "vouches" in anew[1]


async def test_a_device_bound_on_line_is_browsed_again_when_its_configuration_changed(
    tmp_path, caplog
):
    caplog.set_level(logging.INFO)
    converter = Converter(tmp_path).start()
    spec = DeviceSpec("C1-PCS", ONLINE, "127.0.0.1", converter.port)
    async with driving(spec) as record:
        await wait_for(lambda: converter.enabled, "reports enabled")
        before = converter.tick()
        await wait_for(lambda: before in times(record), "a reading")
        other = restarted(converter, tmp_path / "other", spec.port)
        await wait_for(lambda: other.enabled, "reports enabled again")
        after = other.tick()
        await wait_for(lambda: after in times(record), "a reading of the other configuration")
    other.stop()

    assert powers_are_right(record.readings, converter)
    assert {named(r)["active_power_kw"][1] for r in record.readings} == {Quality.GOOD}
    assert len(told(caplog, "bound_anew")) == 2


def small_buffer(size: int) -> PcsServer:
    return PcsServer(
        "C1-PCS",
        ICD,
        "C1PCS",
        1e6,
        ask=lambda point, value: None,
        accept=lambda point, value: None,
        deny=lambda point, value, denial: None,
        on_served=lambda tick: None,
        report_buffer_bytes=size,
    )


async def test_a_buffer_that_overflowed_is_told_once_and_leaves_no_wrong_value(caplog):
    caplog.set_level(logging.INFO)
    converter = Simulated()
    converter.server.close()
    converter.server = small_buffer(20_000)
    converter.server.start("127.0.0.1", 0)
    spec = DeviceSpec("C1-PCS", str(ICD), "127.0.0.1", converter.server.port, ied="C1PCS")
    async with driving(spec) as record:
        await wait_for(lambda: converter.server._enabled, "reports enabled")
        first = converter.tick()
        await wait_for(lambda: first in times(record), "a reading")
        converter.server.stop()
        converter.now_s -= 100
        converter.published.clear()
        states = [4 if n % 10 == 5 else 2 for n in range(149)]
        for state in states:
            converter.tick(state)
        converter.server.resume()
        await wait_for(lambda: converter.server._enabled, "reports enabled again")
        last = converter.tick()
        await wait_for(lambda: last in times(record), "the newest tick")
    converter.server.close()

    lines = told(caplog, "buffer_overflow") + told(caplog, "cannot_resume")
    assert len(lines) == len({re.sub(r"entry=\w+", "", line) for line in lines})
    assert lines
    expected = dict(zip(converter.published, [*states, 2], strict=True))
    for reading in record.readings[1:]:
        found = named(reading)
        assert found["active_power_kw"][0] == 10 * (reading.time_ms // 1000 % 1000)
        state, flag = found["pcs_state"]
        assert flag is not Quality.GOOD or state == expected[reading.time_ms]


class Relay:
    """A line between station and device that can go dead without telling either."""

    def __init__(self, port: int) -> None:
        self.dead = False
        self._to = port
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def _serve(self, reader, writer) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to)
        self._writers += [writer, far_writer]
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._pump(source, sink))
            self._tasks.add(task)

    async def _pump(self, source, sink) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                if not self.dead:
                    sink.write(data)
        sink.close()

    def heal(self) -> None:
        """The line stands again; the device learns that the old association is gone."""
        self.dead = False
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        self.heal()
        self._server.close()


async def test_a_line_that_goes_dead_is_noticed_and_what_the_device_kept_is_fetched(
    tmp_path, caplog
):
    converter = Converter(tmp_path).start()
    relay = Relay(converter.port)
    spec = DeviceSpec("C1-PCS", str(converter.icd), "127.0.0.1", await relay.start(), ied="C1PCS")
    async with driving(spec) as record:
        await wait_for(lambda: converter.enabled, "reports enabled")
        first = converter.tick()
        await wait_for(lambda: first in times(record), "a reading")
        relay.dead = True
        for _ in range(3):
            converter.tick()
        await wait_for(lambda: record.connected("C1-PCS") is False, "the loss")
        relay.heal()
        await wait_for(lambda: times(record) == converter.published, "the missed ticks")
        await wait_for(lambda: record.connected("C1-PCS"), "recovery")
    await relay.stop()
    converter.stop()

    assert powers_are_right(record.readings, converter)
    assert len(told(caplog, "unreachable")) == 1


@pytest.mark.parametrize("jump_s", [HOUR_S, -HOUR_S])
async def test_a_clock_that_jumps_makes_values_questionable_until_it_is_right(
    tmp_path, caplog, jump_s
):
    caplog.set_level(logging.INFO)
    converter = Converter(tmp_path).start()

    async def reading_of(stamp: int) -> Reading:
        await wait_for(lambda: stamp in times(record), "a reading")
        return record.readings[-1]

    async with driving(spec_of(converter)) as record:
        await wait_for(lambda: converter.enabled, "reports enabled")
        right = [await reading_of(converter.tick()) for _ in range(2)]
        converter.now_s += jump_s
        wrong = [await reading_of(converter.tick()) for _ in range(2)]
        converter.set_state("ZINV1.GridModSt.stVal", FAULT)
        await wait_for(lambda: record.fast[-1].values["pcs_state"] == FAULT, "the trip")
        converter.now_s -= jump_s
        converter.set_state("ZINV1.GridModSt.stVal", 2)
        await wait_for(lambda: record.fast[-1].values["pcs_state"] == 2, "the end of it")
        again = [await reading_of(converter.tick()) for _ in range(2)]
    converter.stop()

    for readings, flag in (
        (right, Quality.GOOD),
        (wrong, Quality.QUESTIONABLE),
        (again, Quality.GOOD),
    ):
        assert {named(r)["active_power_kw"][1] for r in readings} == {flag}
    assert powers_are_right(record.readings, converter)
    assert named(again[-1])["pcs_state"][0] == 2
    assert len(told(caplog, "clock_wrong")) == 1
    assert len(told(caplog, "clock_right")) == 1


CLOCK_FAILURE, NOT_SYNCHRONIZED = 0x40, 0x20  # IEC 61850-8-1, TimeQuality


@pytest.mark.parametrize(
    ("says", "needs", "flag"),
    [
        (CLOCK_FAILURE, "false", Quality.QUESTIONABLE),
        (NOT_SYNCHRONIZED, "false", Quality.GOOD),
        (NOT_SYNCHRONIZED, "true", Quality.QUESTIONABLE),
    ],
)
async def test_a_clock_that_calls_itself_wrong_is_believed(tmp_path, caplog, says, needs, flag):
    caplog.set_level(logging.INFO)
    mapping = tmp_path / "mapping.toml"
    standard = find(STANDARD).read_text("utf-8")
    key = f"needs_synchronized_clock = {needs}\n\n[signals]"
    mapping.write_text(standard.replace("[signals]", key, 1), "utf-8")
    converter = Converter(tmp_path).start()
    async with driving(replace(spec_of(converter), mapping=str(mapping))) as record:
        await wait_for(lambda: converter.enabled, "reports enabled")
        for quality in (0, says, says, 0):
            converter.time_quality = quality
            stamp = converter.tick()
            await wait_for(lambda stamp=stamp: stamp in times(record), "a reading")
    converter.stop()

    assert times(record) == converter.published
    found = [named(reading)["active_power_kw"][1] for reading in record.readings]
    assert found == [Quality.GOOD, flag, flag, Quality.GOOD]
    lines = len(told(caplog, "clock_wrong")), len(told(caplog, "clock_right"))
    assert lines == ((0, 0) if flag is Quality.GOOD else (1, 1))
