"""What becomes of a message of commands: every command once, and of its states the newest."""

import asyncio
import itertools
import json
import time
import zlib
from dataclasses import replace

import pytest

from cloud.commands.content import CommandContent, open_command
from contract.commands import CommandRecord, CommandState, to_json
from contract.envelope import Stream

PATH = "/edge/v1/commands"
NOW = time.time_ns() // 1_000_000
ISSUED = CommandRecord(
    *("c-1", "alpha", "C1-PCS", "active_power_setpoint_kw", 1234.5),
    *("agc", "order-7", "SOC band", CommandState.ISSUED, "", NOW),
)
ACCEPTED = replace(ISSUED, state=CommandState.ACCEPTED, accepted_ms=NOW + 12)
DELIVERED = replace(ACCEPTED, state=CommandState.DELIVERED, settled_ms=NOW + 2_000)
FAILED = replace(
    ACCEPTED,
    state=CommandState.FAILED,
    settled_ms=NOW + 15_000,
    reason="not delivered",
    cause_en="converter derated",
    cause_zh="变流器降额",
)


def sealed(fake, sequence: int, *records: CommandRecord) -> bytes:
    return fake.sealer.seal(sequence, Stream.COMMANDS, to_json(records))


async def states(site) -> dict[str, str]:
    return dict(await site.all("SELECT id, state FROM commands ORDER BY issued_ms"))


async def test_a_command_is_stored_once_and_what_it_says_is_sealed(site):
    fake, http = await site.enrol()
    body = sealed(fake, 1, FAILED)

    first = await http.post(PATH, content=body)
    again = await http.post(PATH, content=body)

    assert (first.json(), again.json()) == ({"result": "stored"}, {"result": "duplicate"})
    (row,) = await site.all(
        "SELECT device, point, source, state, issued_ms, accepted_ms, settled_ms, sealed"
        " FROM commands"
    )
    assert row[:-1] == (
        *("C1-PCS", "active_power_setpoint_kw", "agc", "failed"),
        *(NOW, NOW + 12, NOW + 15_000),
    )
    keys = await site.worker.services.vault.keys("alpha")
    assert open_command(keys, "alpha", NOW, "c-1", row[-1]) == CommandContent(
        1234.5, "order-7", "SOC band", "not delivered", "converter derated", "变流器降额"
    )
    assert await site.all("SELECT stream, samples FROM batches") == [(4, 0)]


@pytest.mark.parametrize("order", list(itertools.permutations([ISSUED, ACCEPTED, DELIVERED])))
async def test_the_newest_state_wins_in_whatever_order_records_come(site, order):
    fake, http = await site.enrol()

    for sequence, record in enumerate(order, 1):
        await http.post(PATH, content=sealed(fake, sequence, record))
    await http.post(PATH, content=sealed(fake, 4, *[replace(r, id="c-2") for r in order]))

    assert await states(site) == {"c-1": "delivered", "c-2": "delivered"}
    found = await site.all("SELECT accepted_ms, settled_ms FROM commands")
    assert found == [(NOW + 12, NOW + 2_000)] * 2


async def test_records_of_one_command_in_many_messages_at_once_agree(site):
    fake, http = await site.enrol()
    records = [ISSUED, ACCEPTED, DELIVERED] * 8
    bodies = [
        sealed(fake, n, *(replace(record, id=f"c-{k}") for k in range(20)))
        for n, record in enumerate(records, 1)
    ]

    answers = await asyncio.gather(*(http.post(PATH, content=body) for body in bodies))

    assert {answer.json()["result"] for answer in answers} == {"stored"}
    assert await states(site) == {f"c-{k}": "delivered" for k in range(20)}


async def test_the_same_key_with_other_content_is_refused_and_a_security_event(site):
    fake, http = await site.enrol()
    first = sealed(fake, 1, ISSUED)
    fake.sealer._last[Stream.COMMANDS] = 0
    other = sealed(fake, 1, FAILED)
    await http.post(PATH, content=first)

    answer = await http.post(PATH, content=other)

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert await states(site) == {"c-1": "issued"}
    assert await site.refusals() == ["conflict"]


async def test_commands_that_name_another_station_or_break_the_contract_store_nothing(site):
    fake, http = await site.enrol()
    odd = json.loads(zlib.decompress(to_json([FAILED])))
    odd["value"] = ["secret 1234.5"]
    broken = zlib.compress(json.dumps(odd).encode())

    foreign = await http.post(PATH, content=sealed(fake, 1, replace(FAILED, station="beta")))
    malformed = await http.post(PATH, content=fake.sealer.seal(2, Stream.COMMANDS, broken))
    elsewhere = await http.post("/edge/v1/events", content=sealed(fake, 3, FAILED))

    assert [a.status_code for a in (foreign, malformed, elsewhere)] == [403, 400, 400]
    assert await site.refusals() == ["wrong_station", "identity", "malformed", "wrong_stream"]
    assert await site.count("commands") == await site.count("batches") == 0
    details = str(await site.all("SELECT detail FROM security_events"))
    assert "1234" not in details


async def test_months_lie_apart_and_a_wrong_clock_makes_none(site):
    fake, http = await site.enrol()
    years = [replace(DELIVERED, id=f"y-{n}", issued_ms=n * 366 * 86_400_000) for n in range(200)]

    await http.post(PATH, content=sealed(fake, 1, DELIVERED, *years))

    placed = await site.all(
        "SELECT tableoid::regclass::text, count(*) FROM commands GROUP BY 1 ORDER BY 1"
    )
    month = time.strftime("commands_%Y_%m", time.gmtime(NOW / 1000))
    assert len(placed) <= 4
    assert {name for name, _ in placed} >= {"commands_default", month}
    assert sum(count for _, count in placed) == 201


async def test_a_command_that_came_before_its_month_moves_into_it(site):
    fake, http = await site.enrol()
    await http.post(PATH, content=sealed(fake, 1, DELIVERED))
    month = time.strftime("commands_%Y_%m", time.gmtime(NOW / 1000))
    async with site.pool.connection() as conn:  # as when it was dated a month ahead of its coming
        await conn.execute(f"CREATE TABLE early AS SELECT * FROM {month}")
        await conn.execute(f"DROP TABLE {month}")
        await conn.execute("INSERT INTO commands SELECT * FROM early")

    await http.post(PATH, content=sealed(fake, 2, replace(DELIVERED, id="c-2")))

    placed = await site.all("SELECT tableoid::regclass::text, id FROM commands ORDER BY id")
    assert placed == [(month, "c-1"), (month, "c-2")]


async def test_what_is_kept_no_longer_goes_by_whole_months(site):
    fake, http = await site.enrol()
    past = [
        replace(DELIVERED, id=f"d-{n}", issued_ms=NOW - n * 86_400_000) for n in range(0, 800, 8)
    ]
    await http.post(PATH, content=sealed(fake, 1, *past))
    before_ms = NOW - 200 * 86_400_000

    ((dropped,),) = await site.all("SELECT drop_command_months(%s)", before_ms)

    ((oldest, count),) = await site.all("SELECT min(issued_ms), count(*) FROM commands")
    assert dropped >= 6
    assert before_ms - 31 * 86_400_000 <= oldest <= before_ms
    assert count >= 26
