import dataclasses
import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import psycopg
import pytest
import torch
from psycopg.rows import dict_row

from cloud.market import retraining
from cloud.market.battery import Battery
from cloud.market.bidding import load_policy
from cloud.market.bidding.policy_course import Course
from cloud.market.bidding.policy_training.gate import Verdict
from cloud.market.bidding.policy_training.network import write_network
from cloud.market.bidding.policy_training.practice import Practice
from cloud.market.bidding.policy_training.train import Kept, Options, Promoted, _card, fresh
from cloud.market.retraining import FallsBack, Fault, Lacks, MayBid, State, record, work
from cloud.market.retraining.courses import make_courses, read_stored
from cloud.market.retraining.shelf import working_folder
from tests.cloud.market.retraining.made import DAYS, MARKET, ROUND, WISH, after, station, store

BATTERY = Battery(1.0, 1.0, 2.0, 0.93, 0.93, 8.0)
PASSED = Verdict(True, 120.0, 0.97, (3.0, 3.5), "earned +120 in 4 unseen weeks, sure to 97%")
SHUT = Verdict(False, 12.0, 0.61, (3.0, 3.5), "earned +12 in 4 unseen weeks, sure to 61% only")
NOW_MS = after(DAYS)


@pytest.fixture
def conn(dsn):
    with psycopg.connect(dsn, autocommit=True, row_factory=dict_row) as opened:
        yield opened


async def test_a_training_that_was_cut_goes_on_and_another_wish_begins_anew(pool, conn):
    await station(pool)
    other = dataclasses.replace(WISH, steps=2 * WISH.steps)

    begun = record.begin(conn, WISH, "schedule", NOW_MS)
    record.tell(conn, begun.id, 0, WISH.steps // 2)
    cut = record.begin(conn, WISH, "schedule", NOW_MS + 1)
    anew = record.begin(conn, other, "trader", NOW_MS + 2)

    assert (cut.id, cut.starts, cut.known_ms) == (begun.id, 2, NOW_MS)
    assert cut.share == 0.5
    assert anew.id != begun.id
    first, second = await retraining.trainings(pool)
    assert (first.id, first.state, first.asked_by) == (anew.id, State.RUNNING, "trader")
    assert (second.state, second.fault) == (State.FAILED, Fault.OTHER)


async def test_what_fails_again_and_again_is_one_record(pool, conn):
    await station(pool)

    for number in range(3):
        begun = record.begin(conn, WISH, "schedule", NOW_MS + number)
        record.fail(conn, begun.id, Fault.EXTRA, "torch is not installed", NOW_MS + number)

    (only,) = await retraining.trainings(pool, station="s1")
    assert (only.state, only.begun_ms, only.starts) == (State.FAILED, NOW_MS + 2, 1)
    assert only.error == "torch is not installed"


async def test_there_is_one_training_at_a_time_and_a_lost_one_holds_nothing(pool, dsn, conn):
    with psycopg.connect(dsn, autocommit=True, row_factory=dict_row) as first:
        record.lock(first)
        assert await retraining.goes_on(pool)
        with pytest.raises(record.TrainingGoesOn, match="one at a time"):
            record.lock(conn)

    record.lock(conn)


async def test_only_what_passes_the_gate_bids_and_altered_files_fall_back(pool, conn, tmp_path):
    await station(pool)
    await store(pool)
    stored = await read_stored(pool, WISH, MARKET, NOW_MS)
    nothing = await retraining.standing(pool, tmp_path, "s1", MARKET.id)
    told = record.begin(conn, WISH, "schedule", NOW_MS)
    work.train(conn, told, stored, market=MARKET, battery=BATTERY, root=tmp_path)
    trained = working_folder(tmp_path, WISH)
    (really,) = await retraining.trainings(pool)

    first = record.begin(conn, WISH, "schedule", NOW_MS + 1)
    work.keep(conn, first, Promoted(trained, PASSED), tmp_path)
    promoted = await retraining.standing(pool, tmp_path, "s1", MARKET.id)
    second = record.begin(conn, WISH, "schedule", NOW_MS + 2)
    card = trained / "card.json"
    card.write_text(card.read_text("utf-8") + "\n", "utf-8")  # a later training's card
    work.keep(conn, second, Kept(trained, SHUT), tmp_path)
    still = await retraining.standing(pool, tmp_path, "s1", MARKET.id)

    assert nothing == FallsBack(Lacks.NONE_PASSED)
    assert really.state in (State.PROMOTED, State.KEPT)
    assert really.first_day is not None
    assert really.share == 1.0
    assert isinstance(promoted, MayBid)
    assert promoted.training.id == first.id
    assert load_policy(promoted.folder).card["seeds"] == [0]
    assert still == promoted
    newest = await retraining.newest(pool, "s1", MARKET.id)
    assert newest.state is State.KEPT
    assert newest.verdict.sure == 0.61
    assert newest.model != first.model

    (promoted.folder / "seed-0.onnx").write_bytes(b"other")
    altered = await retraining.standing(pool, tmp_path, "s1", MARKET.id)

    assert isinstance(altered, FallsBack)
    assert altered.why is Lacks.FILES
    assert "is not what the card names" in altered.error


async def test_a_policy_that_surely_earns_less_later_is_withdrawn_and_a_sound_one_is_not(
    pool, conn, tmp_path
):
    await station(pool)
    await store(pool)
    stored = await read_stored(pool, WISH, MARKET, NOW_MS)
    courses = make_courses(stored, WISH, MARKET, BATTERY)
    unseen = work._Unseen(stored, courses.days, MARKET, BATTERY)
    for number, withdrawn in enumerate((False, True)):
        hold_back(courses.learnt, working_folder(tmp_path, WISH), 1.0 if withdrawn else 0.0)
        begun = record.begin(conn, WISH, "schedule", NOW_MS + 2 * number)
        kept = Promoted(working_folder(tmp_path, WISH), PASSED)
        work.keep(conn, begun, kept, tmp_path)
        before = record.may_bid(conn, WISH)
        later = record.begin(conn, WISH, "schedule", NOW_MS + 2 * number + 1)

        work._look_again(conn, later, before, unseen, tmp_path)
        work.keep(conn, later, Kept(working_folder(tmp_path, WISH), SHUT), tmp_path)

        found = await retraining.standing(pool, tmp_path, "s1", MARKET.id)
        newest = await retraining.newest(pool, "s1", MARKET.id)
        if withdrawn:
            assert isinstance(found, FallsBack)
            assert (found.why, found.training.id) == (Lacks.WITHDRAWN, begun.id)
            assert "against opportunity values in the same 4 unseen weeks" in newest.notes[0]
            assert record.may_bid(conn, WISH) is None
        else:
            assert isinstance(found, MayBid)
            assert newest.notes == ()


def hold_back(course: Course, folder: Path, action: float) -> None:
    """Write a policy that always answers alike: nought is the Markov-SDP, one hardly sells."""
    practice = Practice(course, 64, 0)
    model = fresh(practice, 0)
    with torch.no_grad():
        model.policy.action_net.weight.zero_()
        model.policy.action_net.bias.fill_(action)
    folder.mkdir(parents=True, exist_ok=True)
    network = folder / "seed-0.onnx"
    write_network(model.policy, network, practice.reset())
    digest = hashlib.sha256(network.read_bytes()).hexdigest()
    card = _card(course, Options(ROUND, (0,)), "made", {network.name: digest})
    (folder / "card.json").write_text(json.dumps(card | {"gate": asdict(PASSED)}), "utf-8")
