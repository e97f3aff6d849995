"""The position of a station that has told some minutes only, as the desk shows it."""

import re

from cloud.access import Role
from tests.cloud.api.conftest import Cloud
from tests.cloud.web.console import FACTS, STATION, midnight_ms
from tests.cloud.web.feeder import Feeder, now_ms
from tests.cloud.web.past import settle
from tests.cloud.web.plant import Plant

PATH = f"/fragments/stations/{STATION}/position"


def plain(page: str) -> str:
    return page.replace("\N{NO-BREAK SPACE}", " ")


async def test_the_position_is_told_from_the_meters_first_minutes_on(cloud: Cloud):
    feeder = await Feeder.enrol(cloud.worker, FACTS, Plant(midnight_ms()))
    async with cloud.signed_in(Role.TRADER) as trader:
        before = plain((await trader.get(PATH)).text)
        await feeder.second(now_ms() // 1000 * 1000)
        at_once = plain((await trader.get(PATH)).text)
        present = now_ms() // 60_000 * 60_000
        await feeder.history(present - 300_000, present)
        await settle(cloud.worker, STATION)
        after = plain((await trader.get(PATH)).text)

    spans = re.findall(r'<td class="n">(\d\d:\d\d).(\d\d:\d\d)', after)
    assert "The station has sent nothing of a meter" in before
    assert "Awarded now: 0.000 MW. No power has been told yet." in before
    assert "it takes two whole minutes of the meter" in at_once
    assert re.search(
        r"Awarded now: 0\.000 MW; measured [+\u2212]?\d\.\d{3} MW at \d\d:\d\d:\d\d\.", at_once
    )
    assert "Still to come today by awards: 0.000 MWh bought, 0.000 MWh sold." in after
    assert "it takes two whole minutes" not in after
    assert 1 <= len(spans) <= 2  # its minutes may lie on both sides of a quarter hour
    assert "so far" in after or int(spans[0][1][3:]) % 15 == 0
