from dataclasses import replace

import numpy as np
import pytest

from contract import layouts
from station.uplink.errors import QueueError
from tests.station.plant_samples import running_pcs, sample

T0 = 1_795_000_000_000


async def test_a_sample_is_taken_once(uplink):
    first = uplink.batcher.add(running_pcs("C1-PCS", T0))
    again = uplink.batcher.add(running_pcs("C1-PCS", T0))
    older = uplink.batcher.add(running_pcs("C1-PCS", T0 - 1000))
    other = uplink.batcher.add(running_pcs("C2-PCS", T0))

    assert (first, again, older, other) == (True, False, False, True)
    assert (uplink.batcher.intake.samples, uplink.batcher.intake.repeated) == (2, 2)


async def test_a_restarted_station_does_not_take_a_replay_twice(uplink, cloud, tmp_path):
    from tests.station.uplink.conftest import open_uplink

    await uplink.commit(*(running_pcs("C1-PCS", T0 + s * 1000) for s in range(10)))

    again = open_uplink(tmp_path / "station", cloud)
    taken = [again.batcher.add(running_pcs("C1-PCS", T0 + s * 1000)) for s in range(5, 15)]
    await again.close()

    assert taken == [False] * 5 + [True] * 5


async def test_a_sample_of_the_far_future_does_not_block_its_stream(uplink):
    broken = replace(running_pcs("C1-PCS", T0 + 86_400_000), received_ms=T0)

    assert not uplink.batcher.add(broken)
    assert uplink.batcher.add(running_pcs("C1-PCS", T0))
    assert uplink.batcher.intake.misdated == 1


@pytest.mark.parametrize("what", ["quality", "values", "layout"])
async def test_a_sample_that_does_not_fit_its_layout_blocks_no_batch(uplink, what):
    good = running_pcs("C1-PCS", T0)
    bad = {
        "quality": replace(good, quality=np.zeros(3, dtype=np.uint8)),
        "values": replace(good, values=good.values[:-1]),
        "layout": replace(good, layout="unheard-of"),
    }[what]

    assert not uplink.batcher.add(bad)
    ids = await uplink.commit(good)

    assert len(ids) == 1
    assert uplink.batcher.intake.malformed == 1


async def test_what_the_disk_refused_goes_with_the_next_batch(uplink, monkeypatch):
    uplink.batcher.add(running_pcs("C1-PCS", T0))
    backlog = uplink.batcher.take({})
    uplink.queue._db.execute("PRAGMA query_only = 1")
    with pytest.raises(QueueError):
        uplink.batcher.commit(backlog)
    uplink.batcher.give_back(backlog)
    uplink.queue._db.execute("PRAGMA query_only = 0")

    ids = await uplink.commit(running_pcs("C1-PCS", T0 + 1000))

    found = uplink.queue.read(ids[0])
    assert found.sample_times == {T0: 1, T0 + 1000: 1}


async def test_memory_stays_bounded_while_the_disk_refuses_and_the_loss_is_counted(
    uplink, monkeypatch
):
    monkeypatch.setattr("station.uplink.batcher.MAX_UNCOMMITTED", 10)
    for second in range(15):
        uplink.batcher.add(running_pcs("C1-PCS", T0 + second * 1000))

    uplink.batcher.give_back(uplink.batcher.take({}))
    kept = uplink.batcher.take({}).samples

    assert [s.time_ms for s in kept] == [T0 + s * 1000 for s in range(5, 15)]
    assert uplink.batcher.intake.lost == 5


async def test_a_long_backlog_is_cut_into_several_batches(uplink):
    cells = layouts.cells_layout(416)
    rows = [
        sample(f"R{rack}", cells.name, T0 + s * 1000, cell_voltage_v=3.3)
        for rack in range(10)
        for s in range(70)
    ]

    ids = await uplink.commit(*rows)

    batches = [uplink.queue.read(i) for i in ids]
    assert len(ids) == 2
    assert sum(b.value_count for b in batches) == 700 * 832
    assert sum(sum(b.sample_times.values()) for b in batches) == 700
