"""The IEC 61850 driver against the `iec61850` package, an independent implementation in Rust.

That server has no time stamps of values and no buffered reports that our library can read, so
this is the driver's plain side: data sets of single attributes, unbuffered reports whose own
time is the sample's, and select-before-operate with enhanced security.
"""

import asyncio
import contextlib
import re

import pytest
from iec61850 import _native

from contract import layouts
from contract.frame import Quality
from station.protocols.driver import Accepted, DeviceCommand, DeviceSpec, Refused
from station.protocols.iec61850.driver import Iec61850Driver
from tests.station.protocols.iec61850_peer import ICD, deadline_ms
from tests.station.protocols.test_modbus_driver import Record
from tests.waiting import wait_for

SIGNALS = {
    "active_power_kw": ("MMXU", "TotW", "mag.f", 0.001),
    "frequency_hz": ("MMXU", "Hz", "mag.f", 1.0),
    "dc_voltage_v": ("MMDC", "Vol", "mag.f", 1.0),
    "voltage_ab_v": ("MMXU", "PPV.phsAB", "cVal.mag.f", 1.0),
}
PATHS = [f"PCS1/{ln}1.{do}.{da}" for ln, do, da, _ in SIGNALS.values()]


def scl_with_single_attributes() -> str:
    members = "".join(
        f'<FCDA ldInst="PCS1" lnClass="{ln}" lnInst="1" doName="{do}" daName="{da}" fc="MX"/>'
        for ln, do, da, _ in SIGNALS.values()
    )
    text = ICD.read_text("utf-8").replace("TEMPLATE", "C1PCS")
    return re.sub(
        r'(<DataSet name="dsMeas"[^>]*>).*?(</DataSet>)',
        lambda found: found[1] + members + found[2],
        text,
        flags=re.DOTALL,
    )


def mapping() -> str:
    signals = "\n".join(
        f'{name} = {{ object = "{ln}1.{do}", value = "{da}", scale = {scale} }}'
        for name, (ln, do, da, scale) in SIGNALS.items()
    )
    return (
        'title = "Rust peer"\nlayout = "pcs"\ndevice = "PCS1"\n'
        f"[signals]\n{signals}\n[commands]\n"
        'active_power_setpoint_kw = { object = "DRCC1.OutWSet", scale = 1000 }\n'
        'start = { object = "DRCC1.DERStr", value = true }\n'
    )


class Peer:
    """The Rust server with its data set, report block and controls."""

    def __init__(self, scl: str) -> None:
        self.operated: list[tuple[str, object]] = []
        self.server = _native.IedServer.from_scl_str(scl, ied_name="C1PCS")
        self.server.bind("127.0.0.1:0")
        self.server.add_dataset("LLN0$dsMeas", PATHS)
        self.server.register_urcb(
            "PCS1/LLN0.urMeas01",
            dataset="LLN0$dsMeas",
            rpt_id="urMeas",
            conf_rev=1,
            trg_ops=["all"],
            opt_flds=["seq_num", "time_stamp", "reason", "data_set", "conf_rev"],
        )
        for point in ("OutWSet", "DERStr"):
            self.server.on_control(
                f"PCS1/DRCC1.{point}",
                ctl_model="sbo-enhanced",
                check=self._check,
                operate=self._operate,
            )

    @property
    def port(self) -> int:
        return int(self.server.bound_addr.rpartition(":")[2])

    def _check(self, path: str, value: object, action: object) -> None:
        if value == [999_000.0]:
            raise ValueError("not this one")

    async def _operate(self, path: str, value: object, action: object) -> None:
        self.operated.append((path, value))

    def measure(self, *values: float) -> None:
        with self.server.batch():
            for path, value in zip(PATHS, values, strict=False):
                self.server.update_float32(path, value)


@pytest.fixture
async def peer(tmp_path):
    scl = scl_with_single_attributes()
    (tmp_path / "leaf.icd").write_text(scl, "utf-8")
    (tmp_path / "leaf.toml").write_text(mapping(), "utf-8")
    peer = Peer(scl)
    await peer.server.start()
    yield peer
    await peer.server.stop()


@contextlib.asynccontextmanager
async def driving(peer: Peer, folder):
    files = {"profile": str(folder / "leaf.icd"), "mapping": str(folder / "leaf.toml")}
    spec = DeviceSpec("C1-PCS", host="127.0.0.1", port=peer.port, ied="C1PCS", **files)
    driver, record = Iec61850Driver([spec], {}), Record()
    task = asyncio.create_task(driver.run(record))
    try:
        yield driver, record
    finally:
        await driver.close()
        await task


async def test_unbuffered_reports_of_single_attributes_become_readings(peer, tmp_path):
    async with driving(peer, tmp_path) as (_, record):

        def more() -> bool:
            peer.measure(1000.0 * (len(record.readings) + 1), 50.0 + len(record.readings))
            return len(record.readings) >= 3

        await wait_for(more, "three readings")

    layout = layouts.get("pcs")
    last = record.readings[-1]
    power, frequency = layout.column("active_power_kw"), layout.column("frequency_hz")
    step = int(last.values[frequency][0]) / 1000 - 50
    assert step in range(4)
    assert int(last.values[power][0]) == 10 * (step + 1)
    assert last.quality[layout.offset("frequency_hz")[0]] == Quality.GOOD
    assert last.quality[layout.offset("voltage_ab_v")[0]] == Quality.GOOD
    assert last.quality[layout.offset("pcs_state")[0]] == Quality.MISSING
    times = record.times("C1-PCS", "pcs")
    assert times == sorted(set(times))
    assert record.connected("C1-PCS") is True


async def test_commands_select_operate_and_end_at_the_rust_peer(peer, tmp_path):
    async with driving(peer, tmp_path) as (driver, record):

        def measured() -> bool:
            peer.measure(1000.0 + len(record.statuses), 50.0)
            return bool(record.readings)

        await wait_for(measured, "a reading")
        outcomes = [
            await driver.command(DeviceCommand("c", "C1-PCS", point, value, deadline_ms(20)))
            for point, value in (
                ("active_power_setpoint_kw", 5.0),
                ("start", 0.0),
                ("active_power_setpoint_kw", 999.0),
            )
        ]

    assert [type(outcome) for outcome in outcomes] == [Accepted, Accepted, Refused]
    assert peer.operated == [("PCS1/DRCC1.OutWSet", [5000.0]), ("PCS1/DRCC1.DERStr", True)]
