"""A SunSpec inverter: registers encoded by pysunspec2, served by pymodbus, read by our driver."""

import pytest
import sunspec2.device as sunspec
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from contract import layouts
from contract.frame import Quality
from station.protocols.driver import DeviceSpec
from tests.station.protocols.test_modbus_driver import running
from tests.waiting import wait_for

MEASURED = {
    "A": 500.0, "AphA": 166.5, "AphB": 167.0, "AphC": 166.8,
    "PPVphAB": 690.1, "PPVphBC": 690.2, "PPVphCA": 690.3,
    "W": 598_000, "Hz": 49.98, "VA": 601_000, "VAr": -60_000, "PF": -99.5,
    "DCA": 512.3, "DCV": 1201.7, "TmpSnk": 47.0, "St": 4, "Evt1": 1 << 7 | 1 << 10,
}  # fmt: skip
FACTORS = {
    "A_SF": -1, "V_SF": -1, "W_SF": 2, "Hz_SF": -2, "VA_SF": 2, "VAr_SF": 2, "PF_SF": -1,
    "WH_SF": 0, "DCA_SF": -1, "DCV_SF": -1, "DCW_SF": 2, "Tmp_SF": 0,
}  # fmt: skip


def words(data: bytes) -> list[int]:
    return [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]


def inverter_registers() -> list[int]:
    """Return the registers from 40000 on, as the SunSpec Alliance's own library encodes them."""
    common = sunspec.Model(1)
    common.Mn.value, common.Md.value, common.SN.value = "Independent", "Inverter", "1"
    model = sunspec.Model(103)
    for name, power in FACTORS.items():
        model.points[name].value = power
    for name, value in MEASURED.items():
        model.points[name].cvalue = value
    common_words = words(common.get_mb())
    assert len(common_words) == 68  # id, length, and 66 registers
    return [*words(b"SunS"), *common_words, *words(model.get_mb()), 0xFFFF, 0]


@pytest.fixture
async def port():
    data = SimData(40000, values=inverter_registers(), datatype=DataType.REGISTERS)
    server = ModbusTcpServer(SimDevice(1, [data]), address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    yield server.transport.sockets[0].getsockname()[1]
    await server.shutdown()


async def test_a_sunspec_inverter_of_an_independent_server_is_read_in_our_units(port):
    spec = DeviceSpec("INV", "sunspec-inverter-103.toml", "127.0.0.1", port)

    async with running(spec) as (_, record):
        await wait_for(lambda: len(record.readings) >= 2, "two samples")

    reading = record.readings[0]
    layout = layouts.get("pcs")
    found = {
        c.signal.name: float(v[0]) * c.signal.scale
        for c, v in zip(layout.columns, reading.values, strict=True)
    }
    assert found["active_power_kw"] == pytest.approx(598.0)
    assert found["reactive_power_kvar"] == pytest.approx(-60.0)
    assert found["apparent_power_kva"] == pytest.approx(601.0)
    assert found["power_factor"] == pytest.approx(-0.995)
    assert found["frequency_hz"] == pytest.approx(49.98)
    assert found["voltage_bc_v"] == pytest.approx(690.2)
    assert found["current_c_a"] == pytest.approx(166.8)
    assert found["dc_voltage_v"] == pytest.approx(1201.7)
    assert found["dc_current_a"] == pytest.approx(512.3)
    assert found["heatsink_temperature_c"] == pytest.approx(47.0)
    assert found["pcs_state"] == 2
    assert found["pcs_alarms"] == 1 << 5 | 1 << 3
    quality = {
        c.signal.name: Quality(q) for c, q in zip(layout.columns, reading.quality, strict=True)
    }
    assert quality["active_power_setpoint_kw"] is Quality.MISSING
    assert quality["active_power_kw"] is Quality.GOOD
    times = record.times("INV", "pcs")
    assert times[1] - times[0] == 1000
