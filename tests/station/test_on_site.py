"""Requests of people on site: by file, answered by the running desk, whatever the deployment."""

import asyncio
import datetime as dt
import os
import stat
import time
from contextlib import closing
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from contract.orders import OrderKind
from contract.schedule import Schedule
from station import on_site
from station.config import SiteConfig
from station.control.cycle import ControlState
from station.journal import Journal
from station.main import main
from station.office import Office
from station.on_site_desk import OnSiteDesk
from station.on_site_view import CAN_BE_ASKED, told
from station.protection import load_rules
from station.status import write_status
from station.uplink.worker import BlockingWorker
from tests.station.test_office import SelfTests, latched, out_of_sight, seen_gone
from tests.waiting import wait_for


def now_ms() -> int:
    return round(dt.datetime.now(tz=dt.UTC).timestamp() * 1000)


class Running:
    """The desk of a station of the dispatch centre, as the controller runs it."""

    def __init__(self, folder, state: ControlState) -> None:
        self.site = SiteConfig(
            id="s",
            data_dir=folder,
            rated_power_kw=1000,
            capacity_kwh=2000,
            deployment="dispatch",
        )
        self.state = state
        self.journal = Journal(folder / "journal.sqlite")
        office = Office(self.site, state, load_rules(), SelfTests(), now_ms)
        self.told: list[tuple[str, str]] = []
        self.work = BlockingWorker("journal")
        self.desk = OnSiteDesk(
            self.site,
            office,
            self.journal,
            self.work,
            lambda code, words: self.told.append((code, words.en)),
            failed=lambda words: self.told.append(("order.failed", words.en)),
        )


@pytest.fixture
async def running(tmp_path):
    state = latched()
    made = Running(tmp_path, state)
    task = asyncio.create_task(made.desk.run())
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    made.work.close()
    made.journal.close()


def schedule(kw: float = 300.0) -> dict:
    """Tomorrow's: whenever the day changes, it is not over."""
    tomorrow = dt.datetime.now(ZoneInfo("Asia/Shanghai")).date() + dt.timedelta(days=1)
    return Schedule(tomorrow, "Asia/Shanghai", 15, (kw,) * 96).to_payload()


def within(payload: dict) -> int:
    """A moment of a schedule's day, epoch ms."""
    return Schedule.from_payload(payload).start_ms + 43_200_000


async def test_a_schedule_from_the_site_is_followed_and_survives_a_restart(running):
    given = schedule()

    accepted, reason = await asyncio.to_thread(
        on_site.ask, running.site.data_dir, OrderKind.SCHEDULE, given
    )

    assert accepted, reason
    assert running.state.wishes.schedules.power_at(within(given)).kw == 300.0
    assert [s.payload["power_kw"][0] for s in running.journal.recall().schedules] == [300.0]
    assert running.told == [("order.on_site", f"schedule: {reason}")]


async def test_a_reset_whose_cause_stands_is_refused_on_site_too(running):
    accepted, reason = await asyncio.to_thread(
        on_site.ask, running.site.data_dir, OrderKind.RESET, {"target": "C1-R01"}
    )

    assert not accepted
    assert "cell voltage high" in reason
    assert running.state.protection.latched
    assert running.told[0][0] == "order.on_site_refused"


async def test_a_reset_whose_cause_comes_back_meanwhile_is_answered_and_told_as_failed(
    running, monkeypatch
):
    seen_gone(running.state)
    write = running.journal.record

    def write_while_the_cause_comes_back(*what: object) -> None:
        write(*what)
        out_of_sight(running.state)

    monkeypatch.setattr(running.journal, "record", write_while_the_cause_comes_back)

    accepted, reason = await asyncio.to_thread(
        on_site.ask, running.site.data_dir, OrderKind.RESET, {"target": "station"}
    )

    assert not accepted
    assert "cell voltage high" in reason
    assert running.told == [("order.failed", reason)]
    assert running.state.protection.latched


async def test_what_the_journal_cannot_take_has_no_effect_and_is_answered(running):
    running.journal.close()

    given = schedule()

    accepted, reason = await asyncio.to_thread(
        on_site.ask, running.site.data_dir, OrderKind.SCHEDULE, given
    )

    assert not accepted
    assert "free disk space" in reason
    assert running.state.wishes.schedules.power_at(within(given)) is None
    assert [code for code, _ in running.told] == ["order.failed"]


@pytest.mark.parametrize("text", ["", "{", '{"kind": "firmware"}', '{"kind": "reset"}', "[]"])
async def test_what_is_no_request_is_answered_and_changes_nothing(running, text):
    folder = running.site.data_dir / "on-site"
    folder.mkdir()
    (folder / "1.request").write_text(text)

    await wait_for((folder / "1.answer").is_file, "the answer")

    assert "no request" in (folder / "1.answer").read_text()
    assert running.told == []


def test_a_request_that_cannot_be_read_is_answered_once_and_gone(tmp_path, caplog):
    folder = tmp_path / "on-site"
    folder.mkdir()
    os.mkfifo(folder / "1.request")
    inbox = on_site.Inbox(tmp_path)

    taken = inbox.take() + inbox.take()

    assert taken == []
    assert "no file" in (folder / "1.answer").read_text()
    assert not (folder / "1.request").exists()
    assert caplog.text.count("event=on_site_refused") == 1


def test_a_request_that_cannot_be_removed_is_never_carried_out_and_answered_once(tmp_path, caplog):
    folder = tmp_path / "on-site"
    (folder / "1.request").mkdir(parents=True)
    inbox = on_site.Inbox(tmp_path)

    first = inbox.take()
    (folder / "1.answer").unlink()
    (folder / "2.request").write_text('{"kind": "reset", "payload": {"target": "C1"}}')
    second = inbox.take()

    assert first == []
    assert [request.payload for request in second] == [{"target": "C1"}]
    assert not (folder / "1.answer").exists()
    assert caplog.text.count("cannot be removed") == 1


def test_an_answer_that_cannot_be_written_is_in_the_log(tmp_path, caplog):
    asked = on_site.Request(tmp_path / "gone" / "1.request", OrderKind.RESET, {})

    on_site.answer(asked, accepted=True, reason="reset: C1")

    assert "event=on_site_not_answered" in caplog.text
    assert "reset: C1" in caplog.text


def test_answers_that_nobody_fetched_are_removed_after_an_hour(tmp_path):
    folder = tmp_path / "on-site"
    folder.mkdir()
    for name, age_s in (("1.answer", 3700), ("2.answer", 3500), ("3.new", 3700), ("4.new", 0)):
        (folder / name).write_text("{}")
        os.utime(folder / name, (time.time() - age_s,) * 2)

    on_site.Inbox(tmp_path).take()

    assert sorted(file.name for file in folder.iterdir()) == ["2.answer", "4.new"]


def test_only_the_stations_user_may_read_what_is_asked_and_answered(tmp_path):
    asked = on_site.Request(tmp_path / "1.request", OrderKind.RESET, {})

    on_site.answer(asked, accepted=True, reason="reset: C1")

    assert stat.S_IMODE((tmp_path / "1.answer").stat().st_mode) == 0o600


async def test_the_file_of_an_answered_request_is_gone(running):
    folder = running.site.data_dir

    await asyncio.to_thread(on_site.ask, folder, OrderKind.RESET, {"target": "C9"})

    assert list((folder / "on-site").iterdir()) == []


def test_a_station_that_does_not_run_gives_no_answer(tmp_path, monkeypatch):
    monkeypatch.setattr(on_site, "_PATIENCE_S", 0.3)

    with pytest.raises(on_site.OnSiteError, match="no station answers"):
        on_site.ask(tmp_path, OrderKind.RESET, {"target": "station"})
    assert list((tmp_path / "on-site").iterdir()) == []


def configured(folder: Path) -> str:
    file = folder / "station.toml"
    file.write_text(
        '[station]\nid = "s"\ndata_dir = "."\nrated_power_kw = 1\ncapacity_kwh = 1\n'
        '[cloud]\nurl = "https://127.0.0.1:1"\n[[devices]]\ntag = "METER"\nrole = "meter"\n'
        'driver = "modbus"\nprofile = "meter.toml"\nport = 1502\n'
    )
    return str(file)


def test_the_command_line_wants_one_request_at_a_time(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["on-site", configured(tmp_path), "--reset", "C1", "--schedule", "day.json"])

    assert ended.value.code == 2
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith("stationmaster: argument --schedule: not allowed with argument --reset;")


def test_a_schedule_that_cannot_be_read_is_a_wrong_argument(tmp_path, capsys):
    file = tmp_path / "day.json"
    file.write_text("{")

    status = main(["on-site", configured(tmp_path), "--schedule", str(file)])

    assert status == 2
    assert capsys.readouterr().err.startswith(f"stationmaster: {file}: ")


def test_without_a_request_the_command_line_tells_what_the_station_holds(tmp_path, capsys):
    with closing(Journal(tmp_path / "journal.sqlite")) as journal:
        journal.keep_latches(latched().protection.latches())
        values = {"control_mode": 2.0, "protection_level": 4.0}
        write_status(tmp_path / "status.json", {"at_ms": now_ms(), "station": values})

        status = main(["on-site", configured(tmp_path)])

    said = capsys.readouterr().out
    assert status == 0
    assert "control mode: manual\nprotection: tripped\nwaits for a reset:\n  C1-R01: " in said
    assert "no word for" not in said
    assert said.endswith(f"{CAN_BE_ASKED}\n")


def test_where_no_station_has_run_the_command_line_says_so_and_what_can_be_asked(tmp_path, capsys):
    assert main(["on-site", configured(tmp_path)]) == 0

    said = capsys.readouterr().out
    assert "is the station running there?" in said
    assert "waits for a reset: not known" in said
    assert CAN_BE_ASKED in said
    assert not (tmp_path / "journal.sqlite").exists()


def test_a_station_that_stands_is_told_from_one_that_runs(tmp_path):
    with closing(Journal(tmp_path / "journal.sqlite")):
        write_status(tmp_path / "status.json", {"at_ms": 1_000, "station": {}})

        lines = told(tmp_path, now_ms=61_000)

    assert lines == [
        "no word for 60 s: the station stands; its last word was",
        "control mode: not known",
        "protection: not known",
        "waits for a reset: nothing",
        CAN_BE_ASKED,
    ]
