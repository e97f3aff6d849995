"""Between the centre's port and the station: which port, what devices show, what is told."""

import asyncio
import logging

import pytest
import tomli_w

from station.centre import Iec104Centre, ModbusCentre
from station.centre.requests import Registers
from station.centre_desk import CentreDesk
from station.config import ConfigError, load
from station.image import ProcessImage
from station.main import _faults_of_centre
from tests.station.centre.iec104_peer import Peer, dispatch_centre, is_open
from tests.station.centre.test_iec104_port import everything
from tests.station.control.test_cycle import Run
from tests.station.plant_samples import healthy_rack
from tests.station.site import site_document

NOW_MS = 1_790_000_000_000
DEVICE_POINT = """
title = "soc of one rack"
common_address = 1
[[points]]
ioa = 1
direction = "monitor"
type = "M_ME_NC_1"
device = "{device}"
signal = "soc"
"""


def desk_of(tmp_path, device="C1-R01", **centre: object) -> CentreDesk:
    (tmp_path / "list.toml").write_text(DEVICE_POINT.format(device=device), "utf-8")
    file = tmp_path / "station.toml"
    section = {"port": 0, **centre}
    file.write_bytes(tomli_w.dumps(site_document(tmp_path, centre=section)).encode())
    return CentreDesk(load(file))


def test_the_protocol_decides_which_port_is_opened(tmp_path):
    assert isinstance(desk_of(tmp_path).port, ModbusCentre)
    assert isinstance(desk_of(tmp_path, protocol="iec104", points="list.toml").port, Iec104Centre)


def test_a_device_is_shown_with_its_quality_its_time_and_whether_it_is_old(tmp_path):
    desk = desk_of(tmp_path, protocol="iec104", points="list.toml")
    image = ProcessImage({"rack": 5.0})
    image.update(healthy_rack("C1-R01", NOW_MS))

    fresh = desk._device_values(image.freeze(NOW_MS, NOW_MS))["C1-R01", "soc"]
    old = desk._device_values(image.freeze(NOW_MS + 6000, NOW_MS + 6000))["C1-R01", "soc"]

    assert 0 < fresh.value < 1
    assert (fresh.time_ms, fresh.stale, old.stale) == (NOW_MS, False, True)


def test_every_reason_of_a_refusal_is_told_when_it_happened_again(tmp_path):
    desk = desk_of(tmp_path, protocol="iec104", points="list.toml")
    desk.port.refused["step_too_large"] = 1

    first, second = list(desk.take_refusals()), list(desk.take_refusals())
    desk.port.refused["step_too_large"] = 3
    third = list(desk.take_refusals())

    assert [(name, words.en) for name, words in first] == [
        ("step_too_large", "a larger step than is agreed")
    ]
    assert (second, len(third)) == ([], 1)


def test_a_list_of_devices_that_are_not_here_is_named_before_anything_starts(tmp_path):
    with pytest.raises(ConfigError, match="C9"):
        desk_of(tmp_path, device="C9", protocol="iec104", points="list.toml")
    config = load(tmp_path / "station.toml")

    (fault,) = _faults_of_centre(config)

    assert fault.key == "centre.points"
    assert "points[0].device = 'C9': is no device of this station" in fault.remedy


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"port": 0, "protocol": "iec104"}, "needs points"),
        ({"port": 0, "points": "list.toml"}, "belong to protocol"),
        ({"port": 0, "protocol": "dnp3"}, "'modbus' or 'iec104'"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path, section, words):
    file = tmp_path / "station.toml"
    file.write_bytes(tomli_w.dumps(site_document(tmp_path, centre=section)).encode())

    with pytest.raises(ConfigError, match=words):
        load(file)


async def test_a_centre_of_iec_104_moves_the_power_at_the_meter_and_sees_that_it_does(tmp_path):
    section = {"port": 0, "protocol": "iec104", "points": "dispatch-centre.toml"}
    section |= {"timeout_s": 120}
    run = Run(tmp_path, centre=section)
    desk = CentreDesk(run.config)
    await desk.start()
    try:
        async with dispatch_centre(desk.port.port) as peer:
            await is_open(peer)
            for ioa, kind, value in ((25091, "C_SE_NB_1", 1), (25089, "C_SE_NC_1", -300.0)):
                await given(peer, ioa=ioa, kind=kind, value=value, select=False)
            # The client may take the confirmation of the selection for that of the operation.
            while not desk.port.request().enabled:
                await peer.do("command", ioa=24577, kind="C_SC_NA_1", value=1, select=True)

            run.state.wishes.agc = desk.inputs()
            result = run.seconds(0, 30)
            image = run.plant.image.freeze(run.now_ms, run.now_ms)
            desk.show(image, result, 0.5, 2000.0)
            told = await everything(peer)
            async with asyncio.timeout(20):
                while told[16393]["quality"] or told[3]["quality"]:  # not shown before
                    told = await everything(peer)
    finally:
        await desk.close()

    assert desk.asked_kw == -300.0
    assert run.meter_kw == pytest.approx(-300.0, abs=1.0)
    assert (told[16393]["value"], told[3]["value"]) == (-300.0, 1.0)
    assert told[16385]["value"] == pytest.approx(-300.0, abs=5.0)


async def given(peer: Peer, **command: object) -> None:
    """Order what is to be taken; again when the client has missed the confirmation."""
    async with asyncio.timeout(20):
        while not await peer.do("command", **command):
            pass


def test_a_centre_that_led_and_fell_silent_is_logged_once_each_way(tmp_path, caplog):
    caplog.set_level(logging.INFO, "station.centre_desk")
    desk = desk_of(tmp_path)
    port = desk.port
    now_s = 0.0
    port._clock = lambda: now_s
    port._requests.hear(now_s)
    port._requests.write(0, Registers(1, 1, 2000).words(), now_s, NOW_MS)

    led = desk.inputs()
    now_s = 11.0
    lost = [desk.inputs(), desk.inputs()]
    port._requests.write(0, [2], now_s, NOW_MS)
    desk.inputs()

    assert (led.power_kw, [one.alive for one in lost]) == (200.0, [False, False])
    assert [record.getMessage() for record in caplog.records] == [
        "event=centre_lost silent_s=10 held_kw=200.0",
        "event=centre_heard_again",
    ]
