import sqlite3
from dataclasses import replace

from contract.commands import CommandRecord, CommandState
from station.command_book import Page
from station.command_log import AFTER_RESTART, MAX_TOLD_AGAIN, CommandLog

T0 = 1_795_000_000_000
DAY_MS = 86_400_000
RECORD = CommandRecord(
    *("c", "s", "C1-PCS", "active_power_setpoint_kw", 500.0, "agc", "order-1", "SOC band"),
    *(CommandState.ISSUED, "", T0),
)
ACCEPTED = replace(RECORD, state=CommandState.ACCEPTED, accepted_ms=T0 + 10)
DELIVERED = replace(ACCEPTED, state=CommandState.DELIVERED, settled_ms=T0 + 2000)


def page(*changed: CommandRecord, due: bool = False, at_ms: int = T0) -> Page:
    return Page(at_ms, changed, changed if due else ())


def test_the_newest_state_is_kept_and_what_is_older_than_a_month_forgotten(tmp_path):
    log = CommandLog(tmp_path / "c", "s")
    log.write(page(replace(RECORD, id="old", issued_ms=T0 - 31 * DAY_MS), RECORD))
    log.write(page(DELIVERED))
    before = log.counts()

    log.write(page(at_ms=T0 + DAY_MS))

    assert before == {"issued": 1, "delivered": 1}
    assert log.counts() == {"delivered": 1}


def test_an_earlier_state_that_comes_again_does_not_open_a_settled_command(tmp_path):
    log = CommandLog(tmp_path / "c", "s")
    log.write(page(DELIVERED, due=True))

    log.write(page(RECORD))
    log.write(page(ACCEPTED))

    assert log.counts() == {"delivered": 1}


def test_a_crash_between_issue_and_settling_leaves_commands_that_are_unknown(tmp_path):
    contactor = replace(ACCEPTED, id="d", point="open_contactor")
    log = CommandLog(tmp_path / "c", "s")
    mark = log.write(page(RECORD, replace(ACCEPTED, id="b")))
    mark = log.write(page(contactor, due=True))  # the process is killed here

    records, after = CommandLog(tmp_path / "c", "s").recover(mark, T0 + 60_000)

    unknown = {"state": CommandState.UNKNOWN, "settled_ms": T0 + 60_000, "reason": AFTER_RESTART}
    assert sorted(records, key=lambda r: r.id) == [
        replace(ACCEPTED, id="b", **unknown),
        replace(RECORD, **unknown),
    ]
    assert int(after) == int(mark) + 2
    assert CommandLog(tmp_path / "c", "s").recover(after, T0 + 70_000) == ([], after)


def test_what_the_queue_does_not_have_is_told_again_in_the_order_of_issue(tmp_path):
    log = CommandLog(tmp_path / "c", "s")
    made = [replace(DELIVERED, id=f"c{n}", issued_ms=T0 - n) for n in range(6)]
    marks = [log.write(page(record, due=True)) for record in made]

    records, mark = CommandLog(tmp_path / "c", "s").recover(marks[2], T0)
    everything, _ = CommandLog(tmp_path / "c", "s").recover(None, T0)

    assert [r.id for r in records] == ["c5", "c4", "c3"]
    assert mark == marks[-1]
    assert len(everything) == 6
    assert MAX_TOLD_AGAIN > 3600


def test_marks_go_on_growing_when_the_ledger_was_lost_and_the_queue_was_not(tmp_path):
    records, mark = CommandLog(tmp_path / "new", "s").recover("1000", T0)
    log = CommandLog(tmp_path / "new", "s")
    log.recover("1000", T0)

    assert (records, mark) == ([], "1000")
    assert log.write(page(DELIVERED, due=True)) == "1001"


def test_a_file_of_an_earlier_version_is_extended_and_its_open_commands_are_closed(tmp_path):
    with sqlite3.connect(tmp_path / "c") as db:
        db.execute(
            "CREATE TABLE commands (id TEXT PRIMARY KEY, device TEXT NOT NULL, point TEXT NOT NULL,"
            " value REAL NOT NULL, requester TEXT NOT NULL, bound_by TEXT NOT NULL,"
            " state TEXT NOT NULL, reason TEXT NOT NULL, issued_ms INTEGER NOT NULL,"
            " accepted_ms INTEGER NOT NULL, settled_ms INTEGER NOT NULL) WITHOUT ROWID"
        )
        row = ["C1-PCS", "active_power_setpoint_kw", 1.0, "o", "", "delivered", "", T0, T0, T0]
        db.execute(f"INSERT INTO commands VALUES ({', '.join('?' * 11)})", ["a", *row])
        row[5], row[-1] = "issued", 0
        db.execute(f"INSERT INTO commands VALUES ({', '.join('?' * 11)})", ["b", *row])
    db.close()

    records, _ = CommandLog(tmp_path / "c", "s").recover(None, T0 + 1)

    assert [(r.id, r.state, r.source) for r in records] == [("b", CommandState.UNKNOWN, "none")]
