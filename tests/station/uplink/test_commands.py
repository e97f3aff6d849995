"""Commands on their way to the cloud: none lost, each once, in the order of their issue."""

from collections import defaultdict
from dataclasses import replace

import pytest

from contract.commands import CommandRecord, CommandState
from contract.envelope import Stream
from station.command_book import Page
from station.command_log import RESUME_SOURCE, CommandLog
from station.uplink.batcher import MAX_BATCH_COMMANDS
from station.uplink.errors import QueueError
from tests.station.cloud_server import STATION, TestCloud
from tests.station.plant_samples import running_pcs
from tests.station.uplink.conftest import open_uplink
from tests.station.uplink.test_sender import sending
from tests.waiting import wait_for

T0 = 1_795_000_000_000
RECORD = CommandRecord(
    *("c", STATION, "C1-PCS", "active_power_setpoint_kw", 500.0, "agc", "order-1", ""),
    *(CommandState.DELIVERED, "", T0, T0 + 10, T0 + 2000),
)


def second(number: int, count: int = 4) -> list[CommandRecord]:
    """Settled commands of one second and two converters."""
    return [
        replace(
            RECORD,
            id=f"{number}-{n}",
            device=f"C{n % 2 + 1}-PCS",
            issued_ms=T0 + number * 1000 + n * 50,
            settled_ms=T0 + number * 1000 + n * 50 + 60,
        )
        for n in range(count)
    ]


def by_device(records: list[CommandRecord]) -> dict[str, list[CommandRecord]]:
    found = defaultdict(list)
    for record in records:
        found[record.device].append(record)
    return found


async def test_commands_of_an_hour_without_the_cloud_arrive_once_and_in_order(tmp_path):
    cloud = TestCloud(tmp_path / "cloud")
    await cloud.start()
    uplink = open_uplink(tmp_path / "station", cloud)
    await cloud.stop()
    made = []
    for number in range(3600):
        uplink.batcher.add_commands(second(number), (RESUME_SOURCE, str(number)))
        made += second(number)
        if number % 60 == 59:  # the disk of a test machine: one commit for a minute
            await uplink.commit(running_pcs("C1-PCS", T0 + number * 1000))
    queued = len(uplink.queue.waiting())

    async with sending(uplink):
        await wait_for(lambda: not uplink.link.is_up, "the loss to be noticed")
        cloud.faults.extend(["answer lost", "500", "reset", "garbage", "503", "answer lost"])
        await cloud.start()
        await wait_for(lambda: uplink.sender.backlog == 0, "the drained backlog", 60)
    await cloud.stop()
    await uplink.close()

    assert queued == 120
    assert sorted(r.id for r in cloud.commands) == sorted(r.id for r in made)
    arrived = sorted(cloud.commands, key=lambda r: r.issued_ms)
    assert by_device(arrived) == by_device(made)
    assert uplink.quarantined == []


async def test_a_message_holds_its_commands_in_the_order_of_their_issue(uplink, cloud):
    mixed = [*second(1), *second(0)]
    uplink.batcher.add_commands(mixed, (RESUME_SOURCE, "8"))

    async with sending(uplink):
        await uplink.commit()
        await wait_for(lambda: uplink.sender.backlog == 0, "an empty backlog")

    assert cloud.commands == [*second(0), *second(1)]
    assert cloud.paths.count("/edge/v1/commands") >= 1


async def test_a_full_second_of_a_fast_loop_is_one_message_and_a_long_backlog_several(uplink):
    uplink.batcher.add_commands(second(0, 40), (RESUME_SOURCE, "40"))
    ids = await uplink.commit()
    uplink.batcher.add_commands(second(1, MAX_BATCH_COMMANDS + 1), (RESUME_SOURCE, "541"))
    more = await uplink.commit()

    body = uplink.queue.read(ids[0]).body
    assert (len(ids), len(more)) == (1, 2)
    assert uplink.queue.read(ids[0]).stream == Stream.COMMANDS
    assert len(body) < 40 * 60


async def test_a_killed_station_tells_what_it_had_in_its_ledger_and_not_in_its_queue(
    tmp_path, cloud
):
    data_dir = tmp_path / "station"
    before, log = open_uplink(data_dir, cloud), CommandLog(tmp_path / "c", STATION)
    for number in range(3):
        page = Page(T0, tuple(second(number)), tuple(second(number)))
        before.batcher.add_commands(page.due, (RESUME_SOURCE, log.write(page)))
        if number < 2:
            await before.commit()
    log.write(Page(T0, (replace(RECORD, state=CommandState.ISSUED, settled_ms=0),)))
    await before.close()  # the third second was open, one command under way

    after = open_uplink(data_dir, cloud)
    log = CommandLog(tmp_path / "c", STATION)
    queued = after.queue.resume_points()[RESUME_SOURCE]
    records, mark = log.recover(queued, T0 + 99_000)
    after.batcher.add_commands(records, (RESUME_SOURCE, mark))
    async with sending(after):
        await after.commit()
        await wait_for(lambda: after.sender.backlog == 0, "an empty backlog")
    missing, _ = log.recover(after.queue.resume_points()[RESUME_SOURCE], T0 + 100_000)
    await after.close()

    states = {r.id: r.state for r in cloud.commands}
    assert len(cloud.commands) == len(states) == 13
    assert states.pop("c") is CommandState.UNKNOWN
    assert set(states) == {r.id for n in range(3) for r in second(n)}
    assert missing == []


async def test_commands_the_disk_refused_go_with_the_next_batch_and_their_mark_too(uplink):
    uplink.batcher.add_commands(second(0), (RESUME_SOURCE, "4"))
    backlog = uplink.batcher.take({})
    uplink.queue._db.execute("PRAGMA query_only = 1")
    with pytest.raises(QueueError):
        uplink.batcher.commit(backlog)
    uplink.batcher.give_back(backlog)
    uplink.queue._db.execute("PRAGMA query_only = 0")
    before = uplink.queue.resume_points()

    (batch,) = await uplink.commit()

    assert before == {}
    assert uplink.queue.resume_points() == {RESUME_SOURCE: "4"}
    assert uplink.queue.read(batch).stream == Stream.COMMANDS
