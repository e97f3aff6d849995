"""Converters of both editions of IEC 61850-7-420: bound by their ICD file, and by themselves."""

import asyncio
import contextlib

import pytest

from contract.frame import Quality
from station.protocols.driver import ONLINE, Accepted, DeviceSpec
from station.protocols.iec61850.driver import Iec61850Driver
from tests.station.protocols.iec61850_made import (
    EDITION_1,
    EDITION_2,
    IED,
    MEASURED,
    MODES,
    ROOT,
    Made,
)
from tests.station.protocols.test_iec61850_driver import Resuming, command, named
from tests.waiting import wait_for

RUNNING, STANDBY, FAULT = 2, 1, 4
RATED_W = 2_000_000.0
COMMON = {
    "active_power_kw": -7500,
    "reactive_power_kvar": 200,
    "frequency_hz": 49980,
    "voltage_ca_v": 6920,
    "current_a_a": 6000,
    "dc_current_a": -5600,
    "dc_voltage_v": 13400,
}


@contextlib.asynccontextmanager
async def driving(device: Made, mapping: str, profile: str):
    spec = DeviceSpec(
        "C1-PCS",
        profile or str(device.icd),
        "127.0.0.1",
        device.server.port,
        ied=IED,
        mapping=mapping,
    )
    driver, record = Iec61850Driver([spec], {}), Resuming()
    task = asyncio.create_task(driver.run(record))
    try:
        yield driver, record
    finally:
        await driver.close()
        await task
        device.stop()


@pytest.mark.parametrize("profile", ["", ONLINE])
async def test_a_converter_of_edition_1_tells_its_state_by_flags_and_takes_watts(tmp_path, profile):
    device = Made(tmp_path, EDITION_1).start("DRCC1.OutWSet", "DRCC1.DERStr", "DRCC1.DERStop")
    states = {f"DRCS1.{mode}.stVal": mode == "ModOnConn" for mode in MODES}
    device.show(states | {"DRCS1.ECPConn.stVal": True, "DRCS1.Loc.stVal": False})
    async with driving(device, "pcs-iec61850-ed1.toml", profile) as (driver, record):
        await wait_for(lambda: device.enabled("brMeas"), "reports enabled")
        device.show(MEASURED | {"ZINV1.OutWSet.mxVal.f": -750e3})
        await wait_for(lambda: record.readings, "a reading")
        found = named(record.readings[-1])
        device.show({"CALH1.GrAlm.stVal": True})
        await wait_for(lambda: record.fast[-1].values["pcs_state"] == FAULT, "the fault")

        for point, value in (("active_power_setpoint_kw", -500.0), ("start", 0.0), ("stop", 0.0)):
            assert isinstance(await driver.command(command(point, value)), Accepted)

    assert {name: found[name][0] for name in COMMON} == COMMON
    assert {found[name][1] for name in COMMON} == {Quality.GOOD}
    assert found["active_power_setpoint_kw"] == (-7500, Quality.GOOD)
    assert found["pcs_state"] == (RUNNING, Quality.GOOD)
    assert (found["breaker_closed"][0], found["remote_control"][0]) == (1, 1)
    assert found["pcs_alarms"][1] is Quality.MISSING
    assert device.commands == [
        ("DRCC1.OutWSet", -500_000.0),
        ("DRCC1.DERStr", True),
        ("DRCC1.DERStop", True),
    ]


async def test_no_flag_at_all_is_no_state(tmp_path):
    device = Made(tmp_path, EDITION_1).start()
    async with driving(device, "pcs-iec61850-ed1.toml", "") as (_, record):
        await wait_for(lambda: device.enabled("brMeas"), "reports enabled")
        device.show(MEASURED)
        await wait_for(lambda: record.readings, "a reading")

    assert named(record.readings[-1])["pcs_state"] == (0, Quality.INVALID)


@pytest.mark.parametrize("profile", ["", ONLINE])
async def test_a_converter_of_edition_2_takes_per_cent_of_its_own_rating(tmp_path, profile):
    device = Made(tmp_path, EDITION_2).start(
        "DAGC1.WSptPct", "DWMX1.WMaxSptPct", "DVAR1.VArTgtSptPct", "CSWI1.Pos"
    )
    device.model.set(f"{ROOT}/DECP1.WRtg.setMag.f[SP]", RATED_W)
    device.show({"DSTO1.DEROpSt.stVal": 2, "XCBR1.Pos.stVal": 2, "XCBR1.Loc.stVal": False})
    async with driving(device, "pcs-iec61850-ed2.toml", profile) as (driver, record):
        await wait_for(lambda: device.enabled("brMeasures"), "reports enabled")
        device.show(MEASURED | {"DAGC1.ReqW.mag.f": -750e3, "STMP1.Tmp.mag.f": 45.5})
        await wait_for(lambda: record.readings, "a reading")

        for point, value in (
            ("active_power_setpoint_kw", -500.0),
            ("active_power_limit_kw", 1500.0),
            ("start", 0.0),
            ("stop", 0.0),
        ):
            assert isinstance(await driver.command(command(point, value)), Accepted)
        refused = await driver.command(command("reactive_power_setpoint_kvar", 100.0))

    found = named(record.readings[-1])
    assert {name: found[name][0] for name in COMMON} == COMMON
    assert found["active_power_setpoint_kw"] == (-7500, Quality.GOOD)
    assert found["heatsink_temperature_c"] == (455, Quality.GOOD)
    assert found["pcs_state"] == (STANDBY, Quality.GOOD)
    assert device.commands == [
        ("DAGC1.WSptPct", -25.0),
        ("DWMX1.WMaxSptPct", 75.0),
        ("CSWI1.Pos", True),
        ("CSWI1.Pos", False),
    ]
    assert "100 %" in refused.reason  # its reactive rating reads 0
