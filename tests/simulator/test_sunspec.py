"""The converter that speaks SunSpec, read by the SunSpec Alliance's own client."""

import asyncio

import sunspec2.modbus.client as sunspec

from simulator.tags import SUNSPEC, ports_of
from tests.simulator.small import running_site
from tests.waiting import wait_for


def test_a_plant_that_is_not_asked_to_has_no_address_more():
    assert SUNSPEC not in ports_of(1, 15020)
    assert ports_of(1, 15020, sunspec=True)[SUNSPEC] == 15029


def scanned(port: int) -> dict[str, object]:
    device = sunspec.SunSpecModbusClientDeviceTCP(slave_id=1, ipaddr="127.0.0.1", ipport=port)
    device.scan()
    common, inverter = device.models[1][0], device.models[103][0]
    device.close()
    names = ("W", "VA", "Hz", "PF", "DCV", "TmpSnk", "TmpCab", "St", "Evt1", "PPVphAB", "A")
    told = {name: inverter.points[name].cvalue for name in names}
    return {"Mn": common.Mn.value, "SN": common.SN.value, **told}


async def test_the_alliances_own_client_reads_what_the_converter_does(tmp_path):
    async with running_site(tmp_path, sunspec=True) as running:
        converter = running.site.plant.converters[0]
        converter.active_setpoint_w = 60e3
        tick = running.site.devices.tick
        await wait_for(lambda: running.site.devices.tick > tick + 1, "two ticks")

        told = await asyncio.to_thread(scanned, running.ports[SUNSPEC])

    assert (told["Mn"], told["SN"]) == ("Stationmaster", "C1-PCS")
    assert abs(told["W"] - 60e3) < 1e3
    assert abs(told["PF"]) > 99
    assert 49 < told["Hz"] < 51
    assert 600 < told["PPVphAB"] < 800
    assert told["DCV"] > 100
    assert 10 < told["TmpSnk"] < 80
    assert told["TmpCab"] is None
    assert (told["St"], told["Evt1"]) == (4, 0)
