import asyncio
import socket
import tomllib
from pathlib import Path

import pytest

from station import cause_words as words
from station.alarms import device_conditions
from station.image import Image
from station.protocols.errors import DeviceUnreachable
from station.protocols.modbus.client import Connection

CAUSES = tomllib.loads((Path(words.__file__).with_name("causes.toml")).read_text("utf-8"))


def test_every_cause_has_the_same_gaps_in_both_languages_and_is_found_by_its_own_text():
    for cause in CAUSES["causes"]:
        gaps = cause["en"].count("{}")
        told = cause["en"].replace("{}", "7")

        assert cause["zh"].count("{}") == gaps, cause
        assert words.cause_words(told) == (told, cause["zh"].replace("{}", "7")), cause


@pytest.mark.parametrize(
    ("told", "chinese"),
    [
        ("unit 3 input 0..4: no answer in time", "unit 3 input 0..4：未及时应答"),
        (
            "not delivered: 3.0 kW measured, 500.0 kW commanded, for 6 s",
            "未执行到位：实测 3.0 kW，指令 500.0 kW，已持续 6 s",
        ),
        ("what nobody foresaw", "what nobody foresaw"),
    ],
)
def test_a_cause_keeps_its_figures_in_chinese(told, chinese):
    assert words.cause_words(told) == (told, chinese)


async def test_a_lost_device_is_told_in_chinese_with_the_reason_that_its_driver_gives():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(DeviceUnreachable) as found:
        await asyncio.wait_for(Connection("127.0.0.1", port).connect(10.0), 30)

    (lost,) = device_conditions(Image(0, {}), {"C1-R01": str(found.value)})

    assert lost.detail == (
        f"127.0.0.1:{port} accepts no connection",
        f"127.0.0.1:{port} 拒绝连接",
    )
