import json
import os
import signal
import sqlite3
import subprocess
import sys

import pytest

from station.uplink.errors import QueueError
from station.uplink.queue import DurableQueue, NewBatch
from tests.waiting import wait_until


def batch(epoch: int = 1, sequence: int = 1, **changes: object) -> NewBatch:
    facts = {
        "layouts": ("pcs",),
        "sample_times": {1000: 2, 2000: 1},
        "value_count": 60,
        **changes,
    }
    return NewBatch(epoch, sequence, 1, f"sealed-{epoch}-{sequence}".encode(), **facts)


def test_a_batch_comes_back_as_it_was_put(tmp_path):
    queue = DurableQueue(tmp_path / "q")

    (number,) = queue.put([batch()], {}, {})
    found = queue.read(number)

    assert found.body == b"sealed-1-1"
    assert found.sample_times == {1000: 2, 2000: 1}
    assert (found.layouts, found.value_count) == (("pcs",), 60)


def test_a_reopened_queue_has_all_batches_in_order(tmp_path):
    queue = DurableQueue(tmp_path / "q")
    ids = queue.put([batch(sequence=n) for n in range(5)], {}, {})
    queue.remove(ids[1:3])
    queue.close()

    again = DurableQueue(tmp_path / "q")

    assert again.waiting() == [ids[0], ids[3], ids[4]]
    assert again.read(ids[1]) is None


def test_numbers_of_removed_batches_are_not_given_again(tmp_path):
    queue = DurableQueue(tmp_path / "q")
    (first,) = queue.put([batch(sequence=1)], {}, {})
    queue.remove([first])

    (second,) = queue.put([batch(sequence=2)], {}, {})

    assert second > first


def test_epochs_only_grow_over_restarts(tmp_path):
    seen = []
    for _ in range(3):
        queue = DurableQueue(tmp_path / "q")
        seen.append(queue.next_epoch())
        queue.close()

    assert seen == [1, 2, 3]


def test_the_announcement_of_an_old_epoch_stays_while_its_batches_wait(tmp_path):
    queue = DurableQueue(tmp_path / "q")
    queue.add_epoch(1, b"one")
    ids = queue.put([batch(epoch=1)], {}, {})
    queue.add_epoch(2, b"two")
    kept = queue.announcement(1)
    queue.remove(ids)
    queue.add_epoch(3, b"three")

    assert kept == b"one"
    assert queue.announcement(1) is None
    assert queue.announcement(2) is None
    assert queue.announcement(3) == b"three"


def test_stream_times_and_resume_points_move_with_the_batch(tmp_path):
    queue = DurableQueue(tmp_path / "q")

    queue.put([batch()], {("C1-PCS", "pcs"): 5000}, {"C1-PCS/brMeas": "0a"})
    queue.put([batch(sequence=2)], {("C1-PCS", "pcs"): 4000}, {"C1-PCS/brMeas": "0b"})

    assert queue.newest_times() == {("C1-PCS", "pcs"): 5000}
    assert queue.resume_points() == {"C1-PCS/brMeas": "0b"}


def test_what_cannot_be_put_whole_is_not_put_at_all(tmp_path):
    queue = DurableQueue(tmp_path / "q")
    queue.put([batch()], {}, {})

    with pytest.raises(QueueError, match="cannot be written"):
        queue.put([batch(sequence=2), batch(sequence=1)], {("x", "pcs"): 1}, {"r": "1"})

    assert len(queue.waiting()) == 1
    assert queue.newest_times() == {}
    assert queue.resume_points() == {}


def test_done_batches_leave_with_the_next_commit(tmp_path):
    queue = DurableQueue(tmp_path / "q")
    (old,) = queue.put([batch()], {}, {})

    (new,) = queue.put([batch(sequence=2)], {}, {}, done=[old])

    assert queue.waiting() == [new]


def test_a_batch_kept_aside_is_not_sent_and_not_lost(tmp_path):
    queue = DurableQueue(tmp_path / "q")
    (number,) = queue.put([batch()], {}, {})

    queue.quarantine(number, "conflict")

    assert queue.waiting() == []
    assert queue.quarantined() == [(number, "conflict")]
    assert queue.read(number).body == b"sealed-1-1"


def test_a_file_that_is_no_queue_is_refused_by_name(tmp_path):
    file = tmp_path / "q"
    file.write_bytes(b"this is no database, however long it may be" * 100)

    with pytest.raises(QueueError, match=str(file)):
        DurableQueue(file)


def test_a_full_disk_is_an_error_that_says_so(tmp_path):
    queue = DurableQueue(tmp_path / "q")
    queue._db.execute("PRAGMA max_page_count = 20")

    large = [batch(sequence=n, layouts=("x" * 10_000,)) for n in range(1000)]
    with pytest.raises(QueueError, match="full"):
        queue.put(large, {}, {})

    assert queue._db.in_transaction is False


_WRITER = """
import sys
from pathlib import Path
from station.uplink.queue import DurableQueue, NewBatch
queue = DurableQueue(Path(sys.argv[1]))
epoch = queue.next_epoch()
for sequence in range(1_000_000):
    body = f"{epoch}-{sequence}".encode() * 500
    new = NewBatch(epoch, sequence, 1, body, ("pcs",), {sequence * 1000: 1}, 20)
    newest = {("C1-PCS", "pcs"): epoch * 10**9 + sequence * 1000}
    queue.put([new], newest, {"rcb": f"{epoch}-{sequence}"})
    print(epoch, sequence, flush=True)
"""


def test_kill_9_loses_no_batch_that_was_acknowledged_and_doubles_none(tmp_path):
    file = tmp_path / "queue.sqlite"
    acknowledged = set()

    for round_number in range(4):
        writer = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(file)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(25 + 10 * round_number):
            epoch, sequence = writer.stdout.readline().split()
            acknowledged.add((int(epoch), int(sequence)))
        os.kill(writer.pid, signal.SIGKILL)
        for line in writer.stdout:
            words = line.split()
            if len(words) == 2 and line.endswith("\n"):
                acknowledged.add((int(words[0]), int(words[1])))
        writer.wait(30)
        writer.stdout.close()

    queue = DurableQueue(file)
    stored = [queue.read(i) for i in queue.waiting()]
    keys = [(b.epoch, b.sequence) for b in stored]
    newest = max(b.epoch * 10**9 + b.sequence * 1000 for b in stored)
    assert acknowledged <= set(keys)
    assert len(keys) == len(set(keys))
    assert all(b.body == f"{b.epoch}-{b.sequence}".encode() * 500 for b in stored)
    assert queue.newest_times() == {("C1-PCS", "pcs"): newest}
    assert queue.resume_points()["rcb"] == f"{keys[-1][0]}-{keys[-1][1]}"


def test_a_reader_beside_the_writer_disturbs_nothing(tmp_path):
    queue = DurableQueue(tmp_path / "q")
    queue.put([batch()], {}, {})
    reader = sqlite3.connect(tmp_path / "q")

    rows = reader.execute("SELECT sample_times FROM batches").fetchall()
    queue.put([batch(sequence=2)], {}, {})

    assert json.loads(rows[0][0]) == [[1000, 2], [2000, 1]]
    wait_until(lambda: len(queue.waiting()) == 2, "the second batch")
