"""SunSpec chains: discovered on a server, laid out by the models' own JSON, read by our driver."""

import pytest
import sunspec2.device as sunspec
import tomli_w

from contract import layouts
from contract.frame import Quality
from contract.signals import SIGNALS
from station.protocols.driver import Accepted, DeviceSpec
from station.protocols.errors import BadReply, ProfileError
from station.protocols.modbus import profile as profiles
from station.protocols.modbus.client import Connection
from station.protocols.modbus.place import Space
from station.protocols.modbus.sunspec.chain import NoSunSpec, discover
from station.protocols.modbus.sunspec.device import mapping
from station.protocols.modbus.sunspec.document import section_of
from station.protocols.modbus.sunspec.model import TYPES, known_models, model
from tests.station.protocols.modbus_server import Bank, ModbusServer
from tests.station.protocols.sunspec_device import (
    bank_of,
    battery_models,
    cell_mv,
    common,
    encoded,
    model_data,
)
from tests.station.protocols.test_modbus_driver import command, running
from tests.waiting import wait_for

CONVERTER_701 = {
    "W": -5980, "W_SF": 2, "Var": 60, "Var_SF": 3, "VA": 601, "VA_SF": 3, "PF": -995, "PF_SF": -3,
    "Hz": 49980, "Hz_SF": -3, "VL1L2": 6901, "VL2L3": 6902, "VL3L1": 6903, "V_SF": -1,
    "AL1": 1665, "AL2": -1670, "AL3": 1668, "A_SF": -1, "TmpSnk": 47, "Tmp_SF": 0,
    "InvSt": 4, "ConnSt": 1, "Alrm": 1 << 7 | 1 << 10,
}  # fmt: skip


def converter_bank(base: int = 40000) -> Bank:
    controls = {"WSet": 100, "WSet_SF": 3, "VarSet": -5, "VarSet_SF": 3, "WSetEna": 0}
    models = [
        common(),
        encoded(701, CONVERTER_701),
        encoded(702, {}),
        encoded(703, {"ES": 0}),
        encoded(704, controls),
        encoded(713, {"SoC": 555, "Pct_SF": -1}),
    ]
    return bank_of(models, base)


async def chain_of(server: ModbusServer):
    connection = Connection("127.0.0.1", server.port)
    await connection.connect(10.0)
    try:
        return await discover(
            lambda address, count: connection.read(1, Space.HOLDING, address, count, 10.0)
        )
    finally:
        connection.close()


def values_of(reading):
    layout = layouts.get(reading.layout)
    found = {}
    for column, raw in zip(layout.columns, reading.values, strict=True):
        start, stop = layout.offset(column.signal.name)
        usable = (reading.quality[start:stop] == Quality.GOOD).all()
        numbers = [round(float(v) * column.signal.scale, 6) for v in raw]
        found[column.signal.name] = numbers if usable else None
    return found


@pytest.mark.parametrize("number", known_models())
def test_a_models_points_lie_where_the_alliances_library_has_them(number):
    ours = model(number)
    groups = [] if ours.group is None else [{}]
    theirs = sunspec.Model(number, data=model_data(number, {}, groups))

    expected = {name: (p.offset, p.len) for name, p in theirs.points.items()}
    assert {n: (p.offset, p.words) for n, p in ours.points.items() if "." not in n} == expected
    if ours.group is None:
        assert ours.words == len(theirs.get_mb()) // 2


def test_every_row_of_the_mapping_names_points_symbols_and_words_that_exist():
    for layout, sources in mapping().items():
        rows = {**sources, **{f"{k}": v for k, v in sources.get("writes", {}).items()}}
        for key, signals in rows.items():
            if key in {"needs", "writes"}:
                continue
            number, _, group = key.partition(".")
            definition = model(int(number))
            points = definition.group.points if group or layout == "cells" else definition.points
            for signal, row in signals.items():
                given = {"point": row} if isinstance(row, str) else row
                point = points[given["point"]]
                assert point.kind in TYPES
                words = {english for _, english, _ in SIGNALS[signal].states} if "value" not in (
                    given) and signal in SIGNALS else set()  # fmt: skip
                for table in ("states", "bits"):
                    for symbol, word in given.get(table, {}).items():
                        assert symbol in point.symbols
                        assert word in words


@pytest.mark.parametrize("base", [40000, 50000, 0])
async def test_a_chain_is_found_wherever_its_marker_lies(base):
    async with ModbusServer({1: converter_bank(base)}) as server:
        chain = await chain_of(server)

    assert chain.base == base
    assert [(one.id, one.length) for one in chain.models] == [
        (1, 66), (701, 153), (702, 50), (703, 17), (704, 65), (713, 7),
    ]  # fmt: skip
    assert chain.models[1].address == base + 70
    assert chain.notes == ()


async def test_a_battery_bank_tells_its_strings_modules_and_cells():
    async with ModbusServer({1: bank_of(battery_models())}) as server:
        chain = await chain_of(server)

    shipped = profiles.tomllib.loads(
        (profiles.PROFILE_FOLDER / "sunspec-battery-804.toml").read_text("utf-8")
    )["sunspec"]
    assert section_of(chain) == {"base": shipped["base"], "models": shipped["models"]}


async def test_counts_beyond_a_models_length_are_bounded_and_told():
    models = [common(), encoded(803, {"NStr": 9}, [{}, {}])]
    async with ModbusServer({1: bank_of(models)}) as server:
        chain = await chain_of(server)

    assert chain.models[1].count == 2
    assert "tells NStr 9" in chain.notes[0]


async def test_a_model_that_nobody_knows_is_stepped_over():
    vendor = [64001, 5, 1, 2, 3, 4, 5]
    async with ModbusServer({1: bank_of([common(), vendor, encoded(703, {})])}) as server:
        chain = await chain_of(server)

    assert [one.id for one in chain.models] == [1, 64001, 703]
    assert chain.models[1].definition is None


async def test_a_device_without_the_marker_is_told_from_one_that_is_silent():
    async with ModbusServer({1: Bank()}) as server:
        with pytest.raises(NoSunSpec, match=r"40000.*50000.*switched on"):
            await chain_of(server)


async def test_a_chain_that_runs_into_nothing_is_refused():
    async with ModbusServer({1: bank_of([common()], end=(0, 0))}) as server:
        with pytest.raises(BadReply, match="model id 0 at holding 40070"):
            await chain_of(server)


async def test_a_chain_without_its_end_mark_stops_with_a_note():
    bank = bank_of([common()], end=())
    bank.size = 40070
    async with ModbusServer({1: bank}) as server:
        chain = await chain_of(server)

    assert [one.id for one in chain.models] == [1]
    assert "without its end mark" in chain.notes[0]


async def test_a_converter_with_the_der_models_is_read_and_commanded():
    bank = converter_bank()
    async with (
        ModbusServer({1: bank}) as server,
        running(DeviceSpec("C", "sunspec-converter-701.toml", "127.0.0.1", server.port)) as (
            driver,
            record,
        ),
    ):
        await wait_for(lambda: record.readings, "a sample")
        outcomes = [
            await driver.command(command("C", point, value))
            for point, value in (("active_power_setpoint_kw", -250), ("start", 0))
        ]

    found = values_of(record.readings[0])
    assert found["active_power_kw"] == [-598]
    assert found["reactive_power_kvar"] == [60]
    assert found["power_factor"] == [-0.995]
    assert found["frequency_hz"] == [49.98]
    assert found["voltage_ca_v"] == [690.3]
    assert found["current_b_a"] == [-167]
    assert found["pcs_state"] == [3]
    assert found["breaker_closed"] == [1]
    assert found["pcs_alarms"] == [1 << 5 | 1 << 3]
    assert found["active_power_setpoint_kw"] == [100]
    assert found["dc_voltage_v"] is None
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    start = 40002 + 68 + 155 + 52 + 19
    at = start + model(704).points["WSetEna"].offset
    assert bank.registers[3][at : at + 4].tolist() == [1, 1, 0xFFFF, 0xFF06]  # -250 x 10^3 W
    assert bank.registers[3][start - 19 + 2] == 1


async def test_each_string_of_a_bank_is_a_rack_with_its_own_cells():
    specs = []
    async with ModbusServer({1: bank_of(battery_models())}) as server:
        for string in (1, 2):
            name = f"sunspec-battery-804.toml#{string}"
            specs.append(DeviceSpec(f"R{string}", name, "127.0.0.1", server.port))
        async with running(*specs) as (_, record):
            await wait_for(
                lambda: (
                    {(r.device, r.layout) for r in record.readings}
                    >= {(f"R{n}", layout) for n in (1, 2) for layout in ("rack", "rack.cells/24")}
                ),
                "both layouts of both strings",
            )

    by_key = {(r.device, r.layout): values_of(r) for r in record.readings}
    for string in (1, 2):
        rack, cells = by_key[f"R{string}", "rack"], by_key[f"R{string}", "rack.cells/24"]
        assert rack["voltage_v"] == [1200 + string / 10]
        assert rack["current_a"] == [-20 * string]
        assert rack["soc"] == [0.5 + string / 1000]
        assert rack["contactor_closed"] == [1]
        assert rack["rack_alarms"] == [1 << 2]
        assert rack["rack_warnings"] == [1 << 1]
        assert rack["charge_current_limit_a"] is None  # of the whole bank
        assert cells["cell_voltage_v"] == [
            cell_mv(string, module, cell) / 1000 for module in (1, 2, 3) for cell in range(8)
        ]
        assert cells["cell_temperature_c"] == [
            20 + cell / 10 for _ in range(3) for cell in range(8)
        ]


def profile_of(tmp_path, models, current):
    path = tmp_path / "device.toml"
    rows = [{"id": m[0], "length": len(m) - 2, "count": 1, "string": 1} for m in models]
    path.write_text(tomli_w.dumps({"title": "t", "sunspec": {"models": rows, "current": current}}))
    return profiles.load(str(path))


def test_a_single_string_takes_what_only_the_bank_tells(tmp_path):
    models = [encoded(802, {}), encoded(804, {"NMod": 1}, [{}])]

    rack = profile_of(tmp_path, models, current="charge").layout_points()["rack"]

    assert rack["charge_current_limit_a"].address == 40002 + model(802).points["AChaMax"].offset
    assert rack["voltage_v"].address == 40002 + 64 + model(804).points["V"].offset
    assert rack["current_a"].scale == -1
    assert rack["power_kw"].scale == -0.001


def test_the_profiles_own_words_go_before_what_the_models_say(tmp_path):
    path = tmp_path / "device.toml"
    path.write_text(
        'title = "t"\n[sunspec]\nmodels = [{ id = 103, length = 50 }, { id = 123, length = 24 }]\n'
        "[layouts.pcs]\nactive_power_kw = { low = -60, high = 60 }\n"
        'remote_control = { address = 9000, type = "u16" }\n'
    )

    profile = profiles.load(str(path))

    points = profile.layout_points()["pcs"]
    assert (points["active_power_kw"].low, points["active_power_kw"].address) == (-60, 40016)
    assert points["remote_control"].address == 9000
    assert set(profile.writes) == {"start", "stop"}
    assert [place.equals for place in profile.expect] == [
        0x53756E53,
        103 << 16 | 50,
        123 << 16 | 24,
    ]


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("models = []", "models"),
        ('models = [{ id = "x", length = 1 }]', "models.0.id"),
        ("", "models"),
    ],
)
def test_a_wrong_section_is_refused_with_the_command_that_writes_it(tmp_path, section, key):
    path = tmp_path / "device.toml"
    path.write_text(f'title = "t"\n[sunspec]\n{section}\n')

    with pytest.raises(ProfileError, match="profile probe HOST --sunspec") as caught:
        profiles.load(str(path))

    assert caught.value.key == f"sunspec.{key}"


def test_a_string_that_the_bank_lacks_is_refused():
    with pytest.raises(ProfileError, match="no string 3; the chain has 2"):
        profiles.load("sunspec-battery-804.toml#3")
