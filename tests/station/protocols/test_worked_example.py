"""The worked example of docs/protocols.md: a map nobody has seen, added with a file alone.

The server here is written from the manual's page, not from the profile.
"""

import asyncio
import re
import struct
import time

import pytest

import station.config
from contract import layouts
from launcher.paths import ROOT
from launcher.profile_check import run_check
from launcher.profile_probe import ProbeOptions, run_probe
from station.protocols.driver import Accepted, DeviceCommand, DeviceSpec, Refused
from station.protocols.host import DriverHost
from station.protocols.preflight import cells_of, check_device
from tests.station.protocols.modbus_server import Bank, ModbusServer, Request
from tests.station.protocols.test_docs import TEXT, block
from tests.station.protocols.test_modbus_driver import Record
from tests.station.protocols.test_sunspec_models import values_of
from tests.waiting import wait_for

CONVERTER = """
[[devices]]
tag = "C1-PCS"
role = "pcs"
container = "C1"
rated_kw = 100
driver = "modbus"
profile = "sunspec-converter-701.toml"
port = 502
"""


def registers(data: bytes) -> list[int]:
    """Return what a server must send so that these bytes go over the wire."""
    return list(struct.unpack(f">{len(data) // 2}H", data))


class Kestrel:
    """A rack controller as its manual says: everything little-endian."""

    def __init__(self) -> None:
        self.bank = Bank(before_reply=self._live)
        self.follows = True
        self.put(40001, "<H", 19250)
        self.put(40011, "<H", 0x0103)
        self.put(40012, "<I", 76_900)
        self.put(40014, "<f", -61.5)
        self.put(40016, "<H", 131)
        self.put(40017, "<H", 1 << 4)
        self.put(40018, "<H", 2400)
        self.put(40202, "<HHH", 2000, 2000, 1800)
        for module in range(4):
            cells = [33_000 + 100 * module + cell for cell in range(6)]
            sensors = [770 + 18 * module, 788 + 18 * module]
            self.put(40101 + 10 * module, "<8H", *cells, *sensors)

    def put(self, manual: int, form: str, *values: float) -> None:
        self.bank.write(3, manual - 40001, *registers(struct.pack(form, *values)))

    def get(self, manual: int) -> int:
        data = struct.pack(">H", int(self.bank.registers[3][manual - 40001]))
        return struct.unpack("<H", data)[0]

    def _live(self, bank: Bank, request: Request) -> None:
        self.put(40002, "<I", int(time.time()))
        if self.get(40201) == 2:
            self.put(40011, "<H", 0x0001)
        if self.follows:
            self.put(40203, "<H", self.get(40202))


@pytest.fixture
def profile(tmp_path):
    path = tmp_path / "kestrel-k2.toml"
    path.write_text(block("Kestrel K2"), "utf-8")
    return path


def test_the_page_shows_what_check_tells(profile, capsys):
    assert run_check(str(profile)) == 0

    told = capsys.readouterr().out.splitlines()
    shown = re.search(r"```\n(rack: .*?)```", TEXT, flags=re.DOTALL)
    assert shown is not None
    assert set(shown[1].splitlines()) <= set(told)
    assert not [line for line in told if line.startswith("warning:")]


async def test_probe_shows_the_devices_values(profile, capsys):
    async with ModbusServer({1: Kestrel().bank}) as server:
        asked = ProbeOptions("127.0.0.1", server.port, 1, str(profile), False, 5.0, unmapped=True)
        assert await asyncio.to_thread(run_probe, asked) == 0

    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    shown = re.search(r"```\n(rack +voltage_v.*?)\n```", TEXT, flags=re.DOTALL)
    assert shown is not None
    assert shown[1].split() in rows
    assert ["(unmapped)", "fan_speed", "2400", "1/min", "good"] in [row[:5] for row in rows]


async def test_the_stations_driver_process_reads_and_commands_it(profile):
    device, record = Kestrel(), Record()

    def order(point: str, value: float = 0.0) -> DeviceCommand:
        return DeviceCommand(point, "K", point, value, int((time.time() + 30) * 1000))

    async with ModbusServer({1: device.bank}) as server:
        spec = DeviceSpec("K", str(profile), "127.0.0.1", server.port)
        host = DriverHost("modbus", [spec], record, record)
        await host.start()
        try:
            await wait_for(lambda: record.times("K", "rack.cells/24"), "the cells")
            taken = await host.command(order("charge_current_limit_a", 80.3))
            opened = await host.command(order("open_contactor"))
            device.follows = False
            ignored = await host.command(order("charge_current_limit_a", 120))
        finally:
            await host.close()

    by_layout = {reading.layout: values_of(reading) for reading in record.readings[:2]}
    rack, cells = by_layout["rack"], by_layout["rack.cells/24"]
    assert set(layouts.get("rack")._offsets) == set(rack)
    assert (rack["rack_state"], rack["contactor_closed"]) == ([3], [1])
    assert (rack["voltage_v"], rack["current_a"], rack["soc"]) == ([76.9], [61.5], [0.655])
    assert rack["rack_alarms"] == [1 << 2]
    assert rack["charge_current_limit_a"] == [200.0]
    assert rack["discharge_current_limit_a"] == [180.0]
    assert rack["soh"] is None
    assert cells["cell_voltage_v"] == [
        round(3.3 + module / 100, 3) for module in range(4) for _ in range(6)
    ]
    assert cells["cell_temperature_c"] == [
        25.0 + module + sensor for module in range(4) for sensor in (0, 1) for _ in range(3)
    ]
    assert isinstance(taken, Accepted)
    assert isinstance(opened, Accepted)
    assert isinstance(ignored, Refused)
    assert "holding 202 shows 80.5 instead of 120" in ignored.reason


@pytest.mark.parametrize("instance", ["", "#1"])
def test_the_stations_file_takes_it_from_beside_itself(profile, instance):
    guide = (ROOT / "docs" / "engineer.md").read_text("utf-8")
    own = re.search(r"```toml\n(.*?)```", guide, flags=re.DOTALL)
    device = re.search(r"```\n(\[\[devices\]\].*?)```", TEXT, flags=re.DOTALL)
    assert own is not None
    assert device is not None
    file = profile.parent / "station.toml"
    rack = device[1].replace(profile.name, profile.name + instance)
    file.write_text(own[1] + rack + CONVERTER, "utf-8")

    config = station.config.load(file)

    (kestrel,) = (one for one in config.devices if one.tag == "C1-R01")
    assert kestrel.profile == str(profile) + instance
    spec = DeviceSpec("K", kestrel.profile, kestrel.host, kestrel.port)
    check_device("modbus", spec)
    assert cells_of("modbus", spec) == 24
