"""The queue against an honest cloud and against one that misbehaves, over real mutual TLS."""

import asyncio
import ssl
from contextlib import asynccontextmanager

import pytest

from contract.events import make
from station.uplink.errors import LinkDown
from station.uplink.link import BackOff, CloudLink
from station.uplink.live import LiveLane
from tests.station.cloud_server import STATION, TestCloud
from tests.station.pki import TestAuthority
from tests.station.plant_samples import running_pcs
from tests.station.uplink.conftest import credentials, open_uplink
from tests.waiting import wait_for

T0 = 1_795_000_000_000


@asynccontextmanager
async def sending(uplink):
    task = asyncio.create_task(uplink.sender.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def seconds(uplink, first: int, last: int) -> None:
    for second in range(first, last):
        await uplink.commit(
            running_pcs("C1-PCS", T0 + second * 1000), running_pcs("C2-PCS", T0 + second * 1000)
        )


def all_stored_once(cloud: TestCloud, n: int) -> bool:
    wanted = {(f"C{k}-PCS", "pcs", T0 + s * 1000) for k in (1, 2) for s in range(n)}
    return set(cloud.samples) == wanted and set(cloud.samples.values()) == {1}


async def test_batches_reach_the_ledger_and_leave_the_queue(uplink, cloud):
    async with sending(uplink):
        await seconds(uplink, 0, 5)
        await wait_for(lambda: uplink.sender.backlog == 0, "an empty backlog")

    await uplink.work.call(uplink.queue.remove, uplink.sender.take_done())
    assert all_stored_once(cloud, 5)
    assert uplink.queue.waiting() == []
    assert uplink.sender.sent.batches == 5
    assert uplink.sender.sent.samples == uplink.sender.sent.latency.count == 10
    assert uplink.sender.sent.wire_values == 10 * 20
    assert cloud.paths.count("/edge/v1/keys") >= 1


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param(["500"] * 3, id="errors"),
        pytest.param(["503"] * 6, id="busy"),
        pytest.param(["reset"] * 5, id="connection-reset"),
        pytest.param(["garbage"] * 3, id="no-http"),
        pytest.param(["answer lost"] * 4, id="stored-but-answer-lost"),
        pytest.param(["200 of another"] * 3, id="somebody-else-answers-200"),
        pytest.param(["403"] * 3, id="refused-for-a-while"),
        pytest.param(["reset", "500", "answer lost", "garbage", "503"] * 3, id="all-of-it"),
    ],
)
async def test_nothing_is_lost_or_doubled_whatever_the_cloud_does(uplink, cloud, faults):
    cloud.faults.extend(faults)

    async with sending(uplink):
        await seconds(uplink, 0, 8)
        await wait_for(lambda: uplink.sender.backlog == 0, "an empty backlog")

    assert all_stored_once(cloud, 8)
    assert uplink.quarantined == []


async def test_a_lost_answer_is_met_with_duplicate_and_counts_once(uplink, cloud):
    cloud.faults.extend(["", "", "answer lost"])

    async with sending(uplink):
        await seconds(uplink, 0, 1)
        await wait_for(lambda: uplink.sender.backlog == 0, "an empty backlog")

    assert cloud.duplicates == 1
    assert uplink.sender.sent.duplicates == 1
    assert uplink.sender.sent.batches == 1


async def test_a_cloud_that_is_away_is_found_again_and_the_backlog_drained(tmp_path, caplog):
    cloud = TestCloud(tmp_path / "cloud")
    await cloud.start()
    uplink = open_uplink(tmp_path / "station", cloud)
    async with sending(uplink):
        await seconds(uplink, 0, 2)
        await wait_for(lambda: uplink.sender.backlog == 0, "the first batches")
        await cloud.stop()
        await seconds(uplink, 2, 40)
        await wait_for(lambda: not uplink.link.is_up, "the loss to be noticed")
        await cloud.start()
        await wait_for(lambda: uplink.sender.backlog == 0, "the drained backlog")
    await cloud.stop()
    await uplink.close()

    assert all_stored_once(cloud, 40)
    messages = [r.getMessage() for r in caplog.records]
    assert sum("link_down" in m for m in messages) == 1


async def test_a_restarted_station_sends_batches_of_its_former_epoch(tmp_path, cloud):
    data_dir = tmp_path / "station"
    before = open_uplink(data_dir, cloud)
    await seconds(before, 0, 3)
    await before.close()

    after = open_uplink(data_dir, cloud)
    async with sending(after):
        await seconds(after, 3, 5)
        await wait_for(lambda: after.sender.backlog == 0, "both epochs in the ledger")
    await after.close()

    assert all_stored_once(cloud, 5)
    assert set(cloud.epochs) == {1, 2}


async def test_unknown_layouts_are_sent_when_asked_for(uplink, cloud):
    cloud.asks_for_layouts = True

    async with sending(uplink):
        await seconds(uplink, 0, 2)
        await wait_for(lambda: uplink.sender.backlog == 0, "an empty backlog")

    assert all_stored_once(cloud, 2)
    assert any(path.startswith("/edge/v1/layouts/") for path in cloud.paths)


async def test_a_conflict_is_kept_aside_loudly_and_the_rest_goes_on(uplink, cloud):
    async with sending(uplink):
        await seconds(uplink, 0, 1)
        await wait_for(lambda: uplink.sender.backlog == 0, "the first batch")
        cloud.faults.append("409")
        await seconds(uplink, 1, 3)
        await wait_for(lambda: uplink.sender.backlog == 0, "an empty backlog")

    assert len(uplink.queue.quarantined()) == 1
    assert len(uplink.quarantined) == 1
    assert "409" in uplink.quarantined[0]
    assert len(cloud.ledger) == 2


async def test_what_the_cloud_cannot_read_is_tried_twice_then_kept_aside(uplink, cloud):
    async with sending(uplink):
        await seconds(uplink, 0, 1)
        await wait_for(lambda: uplink.sender.backlog == 0, "the first batch")
        cloud.faults.extend(["400", "400"])
        await seconds(uplink, 1, 2)
        await wait_for(lambda: uplink.sender.backlog == 0, "an empty backlog")

    assert len(uplink.queue.quarantined()) == 1


async def test_a_hanging_cloud_is_given_up_and_tried_again(uplink, cloud):
    cloud.faults.append("hang")

    with pytest.raises(LinkDown):
        await uplink.link.request("POST", "/edge/v1/batches", b"x", timeout_s=0.2)

    assert not uplink.link.is_up


async def test_events_go_through_the_same_ledger(uplink, cloud):
    event = make(
        "fire.alarm", id="e1", station=STATION, device="FIRE", active=True, at_ms=T0, value=1.0
    )
    uplink.batcher.add_event(event)

    async with sending(uplink):
        await uplink.commit()
        await wait_for(lambda: uplink.sender.backlog == 0, "an empty backlog")

    assert cloud.events == [event]


async def test_the_live_lane_sends_pictures_and_forgets_those_that_fail(uplink, cloud):
    picture = [running_pcs("C1-PCS", T0), running_pcs("C2-PCS", T0)]
    lane = LiveLane(uplink.link, uplink.sealer, uplink.queue, uplink.work, lambda: picture)
    task = asyncio.create_task(lane.run(0.02))
    quiet_while_down = lane.sent
    async with sending(uplink):
        await seconds(uplink, 0, 1)
        await wait_for(lambda: uplink.sender.backlog == 0, "the batch, that it meets no fault")
        await wait_for(lambda: cloud.pictures >= 3, "pictures")
        cloud.faults.append("reset")
        lost = lane.lost
        await wait_for(lambda: lane.lost > lost, "a lost picture")
        seen = cloud.pictures
        await wait_for(lambda: cloud.pictures > seen, "pictures again")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert quiet_while_down == 0
    assert uplink.link.is_up, "a lost picture is no lost link"


async def test_a_station_with_a_foreign_certificate_gets_no_answer(tmp_path, cloud):
    identity = cloud.identity(tmp_path / "station", authority=TestAuthority("somebody else"))
    link = CloudLink(cloud.url, credentials(identity))

    with pytest.raises(LinkDown):
        await link.request("POST", "/edge/v1/batches", b"x")
    await link.close()


async def test_a_cloud_with_a_foreign_certificate_gets_no_batch(tmp_path, cloud):
    async with TestCloud(tmp_path / "impostor") as impostor:
        identity = cloud.identity(tmp_path / "station")
        link = CloudLink(impostor.url, credentials(identity))

        with pytest.raises(LinkDown, match="certificate"):
            await link.request("POST", "/edge/v1/batches", b"x")

        assert impostor.paths == []
        await link.close()


async def test_tls_1_2_is_not_spoken(tmp_path, cloud):
    context = credentials(cloud.identity(tmp_path / "station")).context()

    assert context.minimum_version is ssl.TLSVersion.TLSv1_3
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_pauses_grow_to_their_cap_and_are_never_the_same_for_a_fleet():
    back_off = BackOff(longest_s=5.0)

    pauses = [back_off.next_pause_s() for _ in range(200)]

    assert pauses[0] <= 0.4
    assert max(pauses) <= 5.0
    assert len(set(pauses)) > 150
    back_off.reset()
    assert back_off.next_pause_s() <= 0.4
