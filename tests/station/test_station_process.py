"""The whole station as its own process: no device answers, the cloud is real TLS."""

import asyncio
import json
import os
import re
import signal
import sys
import tomllib

import psutil
import pytest
import tomli_w

from station.main import main
from tests.station.cloud_server import STATION, TestCloud
from tests.station.protocols.modbus_server import ModbusServer
from tests.station.protocols.test_bms_modular import racks
from tests.station.site import site_document
from tests.waiting import wait_for

LOG_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} level=[A-Z]+ logger=[\w.]+ ")


def write_site(tmp_path, cloud: TestCloud):
    """A site whose only device, a fire panel, is behind a closed port."""
    document = site_document(tmp_path / "station")
    document["station"]["id"] = STATION
    document["cloud"] = {"url": cloud.url}
    keep = {"METER", "FIRE"}
    document["devices"] = [d for d in document["devices"] if d["tag"] in keep]
    for device, profile in zip(document["devices"], ("meter.toml", "fire.toml"), strict=True):
        device |= {"profile": profile, "host": f"127.0.0.{device['port'] % 100}", "port": 1}
    file = tmp_path / "station.toml"
    file.write_bytes(tomli_w.dumps(document).encode())
    return file


async def start(file, *, own_group: bool = False) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "station", str(file)),
        stderr=asyncio.subprocess.PIPE,
        start_new_session=own_group,
    )


@pytest.fixture
async def site(tmp_path):
    async with TestCloud(tmp_path / "cloud") as cloud:
        cloud.identity(tmp_path / "station")
        cloud.file = write_site(tmp_path, cloud)
        cloud.status = lambda: _read(tmp_path / "station" / "status.json")
        yield cloud


def _read(file) -> dict:
    return json.loads(file.read_text()) if file.exists() else {}


async def test_a_station_without_any_device_still_runs_reports_and_stops_cleanly(site):
    process = await start(site.file)
    lost = lambda: {e.device for e in site.events if e.code == "device.lost" and e.active}  # noqa: E731
    await wait_for(lambda: lost() == {"METER", "FIRE"}, "both devices reported lost", 60)
    await wait_for(lambda: site.status().get("batches_acked", 0) >= 2, "acknowledged batches")
    await wait_for(lambda: site.status().get("fast_lanes"), "word of the meter's fast lane")
    running = site.status()
    process.send_signal(signal.SIGTERM)
    _, errors = await asyncio.wait_for(process.communicate(), 30)

    assert process.returncode == 0, errors.decode()
    log = errors.decode().splitlines()
    assert [line for line in log if not LOG_LINE.match(line)] == []
    assert any("logger=station.protocols.health device=FIRE" in line for line in log)
    assert running["link"] == "up"
    assert running["station"]["protection_level"] is not None
    assert running["devices"]["METER"]["connected"] is False
    assert running["fast_lanes"]["METER"]["connected"] is False
    assert running["fast_lanes"]["METER"]["missed"] > 0
    assert running["fast_lanes"]["METER"]["latency_p99_ms"] is None
    assert site.events[0].code == "station.started"
    assert site.events[-1].code == "station.stopped"
    assert site.status()["queue"] == 0
    assert all(n == 1 for n in site.samples.values())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_that_reaches_the_whole_group_is_no_loss_of_a_process(site, number):
    process = await start(site.file, own_group=True)
    await wait_for(lambda: site.status().get("fast_lanes"), "word of the driver process", 60)
    children = psutil.Process(process.pid).children()
    for child in children:  # it reaches them first, and long before the station comes to them
        child.send_signal(number)
    seen = site.status()["cycles"]
    await wait_for(lambda: site.status()["cycles"] > seen + 1, "further cycles", 60)
    assert all(child.is_running() for child in children)
    assert site.status()["driver_restarts"] == {"modbus": 0}
    os.killpg(process.pid, number)
    _, errors = await asyncio.wait_for(process.communicate(), 30)

    log = errors.decode()
    assert process.returncode == 0, log
    assert "process_lost" not in log
    assert "level=ERROR" not in log
    assert site.events[-1].code == "station.stopped"


def with_modular_racks(file, port: int) -> None:
    """Give the site a converter that nobody answers for, and three racks behind one unit id."""
    document = tomllib.loads(file.read_text())
    unreached = {"tag": "C1-PCS", "role": "pcs", "profile": "sunspec-converter-701.toml"}
    document["devices"] += [
        {**document["devices"][0], **unreached, "host": "127.0.0.9", "rated_kw": 100.0},
        *(
            {"tag": f"C1-R0{n}", "role": "rack", "profile": f"bms-modular.toml#{n}", "unit": 7,
             "driver": "modbus", "port": port}
            for n in (1, 2, 3)
        ),
    ]  # fmt: skip
    for device in document["devices"][2:]:
        device["container"] = "C1"
    file.write_bytes(tomli_w.dumps(document).encode())


async def test_racks_behind_one_unit_id_are_read_and_stored_each_under_its_own_tag(site):
    tags = {f"C1-R0{n}" for n in (1, 2, 3)}
    stored = lambda layout: {device for device, of, _ in site.samples if of == layout}  # noqa: E731
    async with ModbusServer({7: racks(1, 2, 3)}) as server:
        with_modular_racks(site.file, server.port)
        process = await start(site.file)
        await wait_for(lambda: stored("rack") == stored("rack.cells/240") == tags, "racks", 60)
        devices, connections = site.status()["devices"], server.connections
        process.send_signal(signal.SIGTERM)
        _, errors = await asyncio.wait_for(process.communicate(), 30)

    assert process.returncode == 0, errors.decode()
    assert {tag for tag in devices if devices[tag]["connected"]} == tags
    assert connections == 1
    assert {r.unit for r in server.requests} == {7}
    assert {r.address // 1000 for r in server.requests if r.address < 60000} == {0, 1, 2}


async def test_kill_9_in_mid_run_loses_no_acknowledged_row_and_doubles_none(site):
    rows = lambda: len([k for k in site.samples if k[0] == "STATION"])  # noqa: E731
    batches = lambda life: sum(epoch == life for epoch, _ in site.ledger)  # noqa: E731
    for round_number in range(3):
        seen = rows()
        process = await start(site.file)
        await wait_for(
            lambda seen=seen, life=round_number + 1: rows() >= seen + 2 and batches(life) >= 2,
            "rows of this life",
            60,
        )
        if round_number < 2:
            process.kill()
            await process.communicate()
    process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(process.communicate(), 30)

    assert set(site.epochs) == {1, 2, 3}
    assert all(n == 1 for n in site.samples.values())
    assert site.status()["queue"] == 0


def test_a_wrong_configuration_ends_with_a_line_for_each_fault(tmp_path, capsys):
    file = tmp_path / "station.toml"
    file.write_text("[station]\nid = 5\n")

    status = main([str(file)])

    told = capsys.readouterr().err.splitlines()
    assert status == 2
    assert told[0].startswith(f"stationmaster: {file}: station.id = 5")
    assert f"stationmaster: {file}: station.data_dir: is missing" in told
    assert f"stationmaster: {file}: devices: is missing" in told


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("profile", "nope.toml", "shipped are: bms-400.toml, bms-416.toml"),
        ("driver", "modbos", "choose one of iec61850, modbus"),
    ],
)
def test_a_device_that_cannot_be_served_is_refused_before_anything_starts(
    tmp_path, capsys, key, value, words
):
    TestCloud(tmp_path / "cloud").identity(tmp_path / "station")
    document = site_document(tmp_path / "station")
    document["station"]["id"] = STATION
    document["devices"] = document["devices"][:1]
    document["devices"][0] |= {"profile": "meter.toml", key: value}
    file = tmp_path / "station.toml"
    file.write_bytes(tomli_w.dumps(document).encode())

    status = main([str(file)])

    said = capsys.readouterr().err
    assert status == 2
    assert f"{file}: devices[0].{key} = '{value}'" in said
    assert words in said


@pytest.mark.parametrize(
    ("device", "words"),
    [
        (
            {"profile": "bms-416.toml"},
            (
                "METER is none by bms-416.toml, which tells rack, rack.cells/416; take the "
                "profile of a meter, or role = 'rack'"
            ),
        ),
        (
            {"driver": "iec61850", "profile": "online", "mapping": "pcs-iec61850-ed2.toml"},
            (
                "METER is none by pcs-iec61850-ed2.toml, which tells pcs; take the "
                "profile of a meter, or role = 'pcs'"
            ),
        ),
        (
            {"driver": "mqtt", "profile": "mqtt-room.toml", "topic": "a"},
            (
                "METER is none by mqtt-room.toml, which tells room; take the profile of a "
                "meter, or role = 'room'"
            ),
        ),
    ],
)
def test_a_device_whose_profile_is_of_another_role_is_refused(tmp_path, capsys, device, words):
    document = site_document(tmp_path / "station")
    document["devices"] = document["devices"][:1]
    document["devices"][0] |= device
    file = tmp_path / "station.toml"
    file.write_bytes(tomli_w.dumps(document).encode())

    status = main([str(file)])

    told = capsys.readouterr().err
    assert status == 2
    assert told == f"stationmaster: {file}: devices[0].role = 'meter': {words}\n"


def test_a_regulation_signal_that_is_not_there_is_named_with_its_key(tmp_path, capsys):
    TestCloud(tmp_path / "cloud").identity(tmp_path / "station")
    document = site_document(
        tmp_path / "station", regulation={"file": "none.csv", "capacity_kw": 100}
    )
    document["station"]["id"] = STATION
    document["devices"] = document["devices"][:1]
    document["devices"][0]["profile"] = "meter.toml"
    file = tmp_path / "station.toml"
    file.write_bytes(tomli_w.dumps(document).encode())

    status = main([str(file)])

    assert status == 2
    assert f"{file}: regulation.file = '{tmp_path / 'none.csv'}'" in capsys.readouterr().err


def test_a_station_that_is_not_enrolled_says_how(tmp_path, capsys):
    document = site_document(tmp_path / "data")
    document["devices"] = document["devices"][:1]
    document["devices"][0]["profile"] = "meter.toml"
    file = tmp_path / "station.toml"
    file.write_bytes(tomli_w.dumps(document).encode())

    status = main([str(file)])

    told = capsys.readouterr().err
    assert status == 1
    assert told.startswith("stationmaster: ")
    assert "./stationmaster station FILE --enrol --token-file TOKEN" in told


def test_mistakes_in_file_drivers_and_profiles_are_told_together(tmp_path, capsys):
    document = site_document(tmp_path / "data")
    meter = {**document["devices"][0], "profile": "meter.toml"}
    profile = tmp_path / "device.toml"
    profile.write_text('titel = "x"\n[layouts.rack]\nvolts = { address = 1, type = "u16" }\n')
    document["devices"] = [
        {**meter, "tag": "A", "role": "metre"},
        {**meter, "tag": "B", "driver": "mqqt", "port": 2},
        {**meter, "tag": "C", "profile": "nowhere.toml", "port": 0},
        {**meter, "tag": "D", "profile": "device.toml", "port": 4},
    ]
    file = tmp_path / "station.toml"
    file.write_bytes(tomli_w.dumps(document).encode())

    status = main([str(file)])

    lines = capsys.readouterr().err.splitlines()
    assert status == 2
    for words in ("devices[0].role", "devices[1].driver = 'mqqt'", "devices[2].port = 0",
                  "devices[2].profile = 'nowhere.toml'", "titel: is no key here",
                  "layouts.rack.volts: is no signal"):  # fmt: skip
        assert sum(words in line for line in lines) == 1


def test_enrolment_without_an_address_names_the_missing_key(tmp_path, capsys):
    file = tmp_path / "station.toml"
    file.write_bytes(tomli_w.dumps(site_document(tmp_path / "data")).encode())

    status = main(["enrol", str(file)])

    assert status == 2
    assert "cloud.enrol_url" in capsys.readouterr().err


def test_a_token_file_that_is_not_there_is_named_with_its_key(tmp_path, capsys):
    document = site_document(tmp_path / "data")
    document["cloud"] |= {"enrol_url": "https://127.0.0.1:1", "ca": "ca.pem"}
    file = tmp_path / "station.toml"
    file.write_bytes(tomli_w.dumps(document).encode())

    status = main(["enrol", str(file), "--token-file", str(tmp_path / "none")])

    assert status == 2
    told = capsys.readouterr().err
    assert told.startswith(f"stationmaster: {file}: cloud.token_file = '{tmp_path / 'none'}'")
