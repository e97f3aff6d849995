"""The words of `profile check` and `profile probe`, against real servers."""

import asyncio
import socket

import pytest

from contract import layouts
from launcher.errors import LauncherError, WrongInput
from launcher.profile_check import run_check
from launcher.profile_probe import ProbeOptions, run_probe
from launcher.profile_signals import run_signals
from station.config import Role
from station.protocols.modbus import profile as profiles
from tests.station.protocols.modbus_server import CLOSE, HANG, Bank, ModbusServer, follow_wall_clock
from tests.station.protocols.sunspec_device import bank_of, battery_models, common, encoded
from tests.station.protocols.test_modbus_driver import rack_bank


async def probe(
    server: ModbusServer, profile: str | None, timeout_s: float = 5.0, **options: object
) -> int:
    where = "127.0.0.1", server.port
    asked = ProbeOptions(*where, 1, profile, profile is None, timeout_s, **options)
    return await asyncio.to_thread(run_probe, asked)


def test_check_tells_what_a_profile_fills_and_asks(capsys):
    assert run_check("bms-modular.toml") == 0

    told = capsys.readouterr().out
    assert "rack: 19 of 21 signals" in told
    assert "missing: cell_temperature_max_index, cell_temperature_min_index" in told
    assert "rack.cells/240: 2 of 2 signals, 480 values" in told
    assert "cycles, energy_throughput" in told
    assert "commands: close_contactor, open_contactor, heartbeat" in told
    assert "requests: 3" in told
    assert "every 1 s rack:" in told
    assert "every 4 s rack.cells/240:" in told
    assert "holding 201 to 316 (116)" in told


def test_check_knows_mappings_of_iec_61850(capsys):
    assert run_check("pcs-iec61850.toml") == 0

    assert "pcs: 20 of 20 signals" in capsys.readouterr().out


def test_check_knows_profiles_of_mqtt(tmp_path, capsys):
    wrong = tmp_path / "sensor.toml"
    wrong.write_text(
        'title = "t"\nlayout = "room"\nstale_s = 9\n[[signals]]\nsignal = "soc"\ntopic = "t"\n'
    )

    assert run_check("mqtt-room.toml") == 0
    assert run_check(str(wrong)) == 2

    told = capsys.readouterr()
    assert "room: 6 of 6 signals" in told.out
    assert "topics: {topic}/state" in told.out
    assert "signals.0.signal: is no signal of this layout" in told.err


def test_check_knows_point_lists_of_a_dispatch_centre(tmp_path, capsys):
    wrong = tmp_path / "points.toml"
    wrong.write_text('titel = "x"\ncommon_address = 0\n[[points]]\nioa = 1\n')

    assert run_check("dispatch-centre.toml") == 0
    assert run_check(str(wrong)) == 2

    told = capsys.readouterr()
    assert "(IEC 60870-5-104)" in told.out
    assert "power_kw" in told.out
    assert "titel" in told.err
    assert "problems" in told.err


def test_check_tells_every_problem_with_its_remedy(tmp_path, capsys):
    path = tmp_path / "device.toml"
    path.write_text(
        'title = "t"\n[layouts.chiller]\ncoolant_suply_c = { address = 1, type = "s16" }\n'
        'ambient_c = { address = 2, type = "s16", unit = "V" }\n'
    )

    assert run_check(str(path)) == 2

    told = capsys.readouterr().err
    assert "layouts.chiller.coolant_suply_c: is no signal of this layout" in told
    assert "remedy: did you mean 'coolant_supply_c'?" in told
    assert "take one of °C, degC, K, °F, degF" in told
    assert f"{path}: 2 problems" in told


def test_check_hints_at_what_is_allowed_and_mostly_a_mistake(tmp_path, capsys):
    path = tmp_path / "device.toml"
    path.write_text(
        'title = "t"\n[layouts."rack.cells/24"]\n'
        'cell_voltage_v = { address = 1, type = "u16", unit = "mV", '
        "repeat = 24, low = 0, high = 6 }\n"
        'cell_temperature_c = { address = 24, type = "s16", repeat = 24 }\n'
        '[writes]\nheartbeat = { address = 90, type = "u16" }\n'
    )

    assert run_check(str(path)) == 0

    hints = [line for line in capsys.readouterr().out.splitlines() if line.startswith("hint: ")]
    assert len(hints) == 5
    for words in ("[[expect]]", "[time]", "writes.heartbeat", "low and high: cell_temperature_c",
                  "cell_voltage_v and cell_temperature_c both read register 24"):  # fmt: skip
        assert sum(words in hint for hint in hints) == 1


async def test_probe_reads_single_bits(capsys):
    bank = Bank(before_reply=follow_wall_clock(4, 0))
    bank.write(2, 0, 0, 1, 1)
    async with ModbusServer({1: bank}) as server:
        assert await probe(server, "fire.toml") == 0

    rows = {line.split()[1]: line.split() for line in capsys.readouterr().out.splitlines()
            if line.startswith("fire")}  # fmt: skip
    assert rows["heat_detected"][2:] == ["1", "detected", "good", "discrete", "1:", "1"]
    assert " ".join(rows["fire_alarms"][2:]).startswith("heat detected, panel fault good")


def test_check_tells_that_a_file_is_missing(capsys):
    assert run_check("nowhere.toml") == 2

    assert "shipped are: bms-" in capsys.readouterr().err


async def test_probe_shows_values_beside_names_units_quality_and_registers(capsys):
    async with ModbusServer({1: rack_bank()}) as server:
        assert await probe(server, "bms-416.toml") == 0

    told = capsys.readouterr()
    assert told.err == ""
    rows = {line.split()[1]: line for line in told.out.splitlines() if line.startswith("rack")}
    assert rows["voltage_v"].split()[2:] == ["1234.5", "V", "good", "input", "4:", "0x3039"]
    assert rows["power_kw"].split()[2:] == [
        "-30.9", "kW", "good", "input", "6:", "0xFECB", "0xFFFF",
    ]  # fmt: skip
    assert "3 discharging" in rows["rack_state"]
    assert "3.000 … 3.415, mean 3.208 (416 values)" in rows["cell_voltage_v"]
    assert "415 of 416 good" in rows["cell_temperature_c"]
    assert "s from this machine's" in told.out


async def test_probe_lists_each_cell_and_says_which_is_not_good_and_why(capsys, tmp_path):
    file = tmp_path / "rack.toml"
    file.write_text(
        'title = "t"\n[layouts.rack]\n'
        'soc = { address = 0, type = "u16", low = 0, high = 1 }\n'
        'voltage_v = { address = 1, type = "u16", low = 0, high = 900 }\n'
        'rack_state = { address = 2, type = "u16", states = { 1 = "idle" } }\n'
        'current_a = { address = 8, type = "s16", scale_factor = { address = 9, type = "s16" } }\n'
        '[layouts."rack.cells/4"]\ncell_voltage_v = { address = 4, type = "u16", unit = "mV", '
        "repeat = 4, low = 2, high = 4 }\n"
    )
    bank = Bank()
    bank.write(3, 0, 553, 1000, 9, 0, 3300, 0xFFFF, 3310, 9, 42, 0xFFFF)
    async with ModbusServer({1: bank}) as server:
        assert await probe(server, str(file), cells=True) == 0

    rows = {line.split()[1]: line.rstrip() for line in capsys.readouterr().out.splitlines()
            if line.startswith("rack")}  # fmt: skip
    assert "553 is beyond what the station holds" in rows["soc"]
    assert "unit missing?" in rows["soc"]
    assert rows["voltage_v"].endswith("outside 0..900")
    assert "the code 9 is none of 1" in rows["rack_state"]
    assert "holding 8: 0x002A, power holding 9: 0xFFFF" in rows["current_a"]
    assert "2 of 4 good" in rows["cell_voltage_v"]
    assert (
        "2 invalid (the device says 'no value'), 4 questionable (outside 2..4)"
        in (rows["cell_voltage_v"])
    )
    assert rows["cell_voltage_v[3]"].split()[2:7] == ["3.310", "V", "good", "holding", "6:"]
    assert "invalid" in rows["cell_voltage_v[2]"]


async def test_probe_tells_another_device_and_holes_with_a_remedy(capsys):
    bank = Bank(size=1010)
    async with ModbusServer({1: bank}) as server:
        assert await probe(server, "bms-416.toml") == 1

    told = capsys.readouterr()
    assert "number of cells at input 27 is 0, the profile says 416" in told.err
    assert "illegal data address (exception 2); the device has no register there" in told.err
    assert "clock is not set" in told.err
    cells = next(line for line in told.out.splitlines() if "cell_voltage_v" in line)
    assert "not read" in cells


@pytest.mark.parametrize("profile", ["bms-416.toml", None])
async def test_probe_gives_a_silent_unit_up_after_one_question(profile):
    async with ModbusServer({1: rack_bank()}) as server:
        server.behaviour = lambda request, reply: HANG

        with pytest.raises(LauncherError, match=r"no answer.*--unit"):
            await probe(server, profile, timeout_s=0.5)

    assert len(server.requests) == 1


async def test_probe_goes_on_over_a_new_connection_when_one_breaks(capsys):
    async with ModbusServer({1: rack_bank()}) as server:
        server.behaviour = lambda request, reply: CLOSE if request.address == 1000 else reply
        assert await probe(server, "bms-416.toml") == 1

    told = capsys.readouterr()
    assert told.err.count("problem:") == 1
    rows = {line.split()[1]: line for line in told.out.splitlines() if line.startswith("rack")}
    assert "not read" in rows["cell_voltage_v"]
    assert "415 of 416 good" in rows["cell_temperature_c"]


async def test_probe_tells_that_nobody_listens():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        asked = ProbeOptions("127.0.0.1", taken.getsockname()[1], 1, "meter.toml", False, 0.5)

        with pytest.raises(LauncherError, match=r"accepts no connection.*--port"):
            await asyncio.to_thread(run_probe, asked)


async def test_probe_lists_the_models_of_a_sunspec_device_and_reads_them(capsys, tmp_path):
    file = tmp_path / "found.toml"
    async with ModbusServer({1: bank_of(battery_models())}) as server:
        assert await probe(server, None, save=file, unmapped=True) == 0

    told = capsys.readouterr()
    assert "SunSpec marker at holding 40000" in told.out
    assert "805    40322      74  Lithium-Ion Module Model, 8 x lithium-ion-module-cell" in told.out
    assert "string 1 module 1" in told.out
    rows = {line.split()[1]: line for line in told.out.splitlines() if " holding 4" in line}
    assert rows["voltage_v"].split()[2:5] == ["1200.1", "V", "good"]
    assert rows["802.SoC"].split()[2:5] == ["50", "%", "good"]
    assert rows["802.ChaSt"].split()[2:4] == ["4", "CHARGING"]
    assert rows["802.NCyc"].split()[2:4] == ["–", "invalid"]
    second = profiles.load(f"{file}#2")
    assert set(second.layout_points()) == {"rack", "rack.cells/24"}
    assert second.polling.classes == {"rack.cells/24": "slow"}

    assert second.title == "Independent Device"
    assert "Independent Device, serial number 1\n" in told.out


def test_signals_lists_every_layout_of_a_device_and_the_words_of_one(capsys):
    assert run_signals(None) == 0
    layouts_told = {line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]}
    assert run_signals("rack") == 0
    rack = capsys.readouterr().out.splitlines()
    assert run_signals("rack.cells/416") == 0
    cells = capsys.readouterr().out.splitlines()

    assert layouts_told == {*Role, "rack.cells/N"}
    assert [line.split()[0] for line in rack[1:]] == [
        column.signal.name for column in layouts.get("rack").columns
    ]
    state = next(line for line in rack if line.startswith("rack_state"))
    assert "2 charging, 3 discharging" in state
    assert [line.split()[:2] for line in cells[1:]] == [
        ["cell_voltage_v", "V"],
        ["cell_temperature_c", "°C"],
    ]


def test_signals_of_what_no_device_tells_names_those_that_there_are():
    with pytest.raises(WrongInput, match=r"'estimate' is no layout of a device; .*rack\.cells/N"):
        run_signals("estimate")


def test_a_saved_profile_is_not_written_over(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("mine")

    with pytest.raises(WrongInput, match="is there already"):
        run_probe(ProbeOptions("127.0.0.1", 502, 1, None, sunspec=True, timeout_s=0.5, save=file))

    assert file.read_text() == "mine"


@pytest.mark.parametrize(
    ("profile", "words"),
    [("mqtt-room.toml", "MQTT sensor"), ("pcs-iec61850.toml", "--iec61850 --mapping")],
)
def test_probe_tells_that_a_file_is_of_another_protocol(profile, words):
    with pytest.raises(WrongInput, match=words):
        run_probe(ProbeOptions("127.0.0.1", 502, 1, profile, sunspec=False, timeout_s=0.5))


def test_a_host_that_nobody_knows_is_named():
    asked = ProbeOptions("nowhere.invalid", 502, 1, "meter.toml", sunspec=False, timeout_s=0.5)

    with pytest.raises(LauncherError, match=r"host 'nowhere\.invalid' is not known"):
        run_probe(asked)


async def test_probe_of_models_without_a_signal_says_so(capsys):
    async with ModbusServer({1: bank_of([common(), encoded(703, {})])}) as server:
        assert await probe(server, None) == 0

    assert "no signal of the station" in capsys.readouterr().out


async def test_probe_tells_a_device_that_is_no_sunspec_device():
    async with ModbusServer({1: Bank()}) as server:
        with pytest.raises(LauncherError, match=r"no marker 'SunS'.*unit id"):
            await probe(server, None)


@pytest.mark.parametrize(("profile", "sunspec"), [(None, False), ("meter.toml", True)])
def test_probe_wants_either_a_profile_or_the_devices_own_models(profile, sunspec):
    with pytest.raises(WrongInput, match="either --profile FILE, or --sunspec"):
        run_probe(ProbeOptions("127.0.0.1", 502, 1, profile, sunspec, 0.5))
