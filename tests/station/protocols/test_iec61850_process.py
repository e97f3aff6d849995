"""A hanging or dying IEC 61850 process: the station goes on and no tick is lost or doubled."""

import asyncio
import os
import signal
import threading

import pytest

from station.protocols.driver import Accepted, DeviceCommand, TimedOut
from station.protocols.host import DriverHost, HostTiming
from tests.station.protocols.iec61850_peer import Converter, deadline_ms
from tests.station.protocols.test_iec61850_driver import spec_of, times
from tests.station.protocols.test_modbus_driver import Record
from tests.waiting import wait_for

PATIENCE = HostTiming(silence=4.0, pause_min=0.05, pause_max=0.5)


class Ticking:
    """Ticks a converter five times a second of real time, until stopped."""

    def __init__(self, converter: Converter) -> None:
        self._converter = converter
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.2):
            self._converter.tick()


@pytest.fixture
def converter(tmp_path):
    converter = Converter(tmp_path).start()
    yield converter
    converter.stop()


@pytest.mark.parametrize(("blow", "times_over"), [(signal.SIGKILL, 2), (signal.SIGSTOP, 1)])
async def test_no_tick_is_lost_or_doubled_when_the_process_dies_or_hangs(
    converter, blow, times_over
):
    record = Record()
    host = DriverHost("iec61850", [spec_of(converter)], record, record, timing=PATIENCE)
    await host.start()
    try:
        await wait_for(lambda: converter.enabled, "reports enabled")
        with Ticking(converter):
            for restart in range(1, times_over + 1):
                seen = len(record.readings)
                await wait_for(lambda seen=seen: len(record.readings) > seen + 3, "readings")
                first = host.pid
                assert first is not None
                os.kill(first, blow)
                await wait_for(lambda: record.connected("C1-PCS") is False, "loss reported")
                await wait_for(lambda: record.connected("C1-PCS"), "recovery reported")
                assert host.restarts == restart
        last = converter.tick()
        await wait_for(lambda: last in times(record), "the last tick")
        outcome = await host.command(
            DeviceCommand("c1", "C1-PCS", "active_power_setpoint_kw", 5.0, deadline_ms(20))
        )
    finally:
        await host.close()

    assert times(record) == converter.published
    assert isinstance(outcome, Accepted)


async def test_a_command_in_a_process_that_hangs_times_out(converter):
    record = Record()
    host = DriverHost("iec61850", [spec_of(converter)], record, record, timing=PATIENCE)
    await host.start()
    try:
        await wait_for(lambda: converter.enabled, "reports enabled")
        assert host.pid is not None
        os.kill(host.pid, signal.SIGSTOP)
        outcome = await asyncio.wait_for(
            host.command(DeviceCommand("c1", "C1-PCS", "start", 0.0, deadline_ms(60))), 40
        )
    finally:
        await host.close()

    assert isinstance(outcome, TimedOut)
