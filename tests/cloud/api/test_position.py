"""The position of a station that has told some minutes only, as the desk shows it."""

import re

from cloud.access import Role
from tests.cloud.api.conftest import Cloud
from tests.cloud.web.console import FACTS, STATION, midnight_ms
from tests.cloud.web.feeder import Feeder, now_ms
from tests.cloud.web.past import settle
from tests.cloud.web.plant import Plant

PATH = f"/fragments/stations/{STATION}/position"


async def test_the_position_is_told_from_the_meters_first_minutes_on(cloud: Cloud):
    feeder = await Feeder.enrol(cloud.worker, FACTS, Plant(midnight_ms()))
    async with cloud.signed_in(Role.TRADER) as trader:
        before = (await trader.get(PATH)).text
        present = now_ms() // 60_000 * 60_000
        await feeder.history(present - 300_000, present)
        await settle(cloud.worker, STATION)
        after = (await trader.get(PATH)).text

    spans = re.findall(r'<td class="n">(\d\d:\d\d).(\d\d:\d\d)', after)
    assert "The meter has told nothing of the last intervals yet." in before
    assert 1 <= len(spans) <= 2  # its minutes may lie on both sides of a quarter hour
    assert "so far" in after or int(spans[0][1][3:]) % 15 == 0
