import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cloud.market.backtest.basic import bid_values
from cloud.market.backtest.case import Case, Wanted
from cloud.market.backtest.checked import problems
from cloud.market.backtest.learnt import course_of
from cloud.market.backtest.prices import Prices
from cloud.market.backtest.rolling import roll_values
from cloud.market.backtest.strategies import STRATEGIES
from cloud.market.bidding.curves import bid_curve
from cloud.market.bidding.policy import BadPolicy, load_policy
from cloud.market.bidding.policy_run import policy_curve, run_policy
from cloud.market.bidding.policy_training.gate import judge
from cloud.market.bidding.policy_training.practice import Practice
from cloud.market.bidding.policy_training.train import Kept, Options, Promoted, _train, retrain
from tests.cloud.market.bidding.made import BATTERY, made_minutes, made_prices
from tests.cloud.market.bidding.test_value import BANDS, VALUES

ROUND = 64 * 168
DAYS = 120


@pytest.fixture(scope="module")
def case() -> Case:
    prices = _prices(DAYS)
    return Case(prices, prices, BATTERY, BANDS, 810, 600, 99, 65, 99, (-1000.0, 9000.0))


@pytest.fixture(scope="module")
def course(case):
    return course_of(case, roll_values(case, case.first, case.last), 30.0)


@pytest.fixture(scope="module")
def trained(course, case, tmp_path_factory):
    folder = tmp_path_factory.mktemp("policy")
    days = case.prices.day[case.span]
    told = []
    outcome = retrain(
        course.cut(0, 500),
        course.cut(500, len(course.price)),
        days[500:],
        folder,
        options=Options(ROUND, (0,)),
        progress=lambda seed, done, of: told.append((seed, done, of)),
    )
    return outcome, folder, told


def test_an_action_of_nought_is_the_bid_of_the_opportunity_value(course, case):
    rolled = roll_values(case, case.first, case.last)

    money, power = run_policy(course, lambda seen: np.zeros((len(seen), 2)))

    wanted = bid_values(case, rolled)
    assert power == pytest.approx(wanted.power_mw, abs=1e-3)
    assert money.sum() == pytest.approx(wanted.money.sum(), rel=1e-3)


def test_the_written_network_answers_as_the_trained_one_and_the_card_names_it(trained, course):
    outcome, folder, told = trained

    policy = load_policy(folder)
    seen = Practice(course, 5, 3).reset()
    actions = policy.actions(seen)

    assert isinstance(outcome, Promoted | Kept)
    assert policy.promoted is outcome.verdict.promoted
    assert actions.shape == (5, 2)
    assert np.abs(actions).max() <= 1
    assert told[-1] == (0, ROUND, ROUND)
    assert json.loads((folder / "card.json").read_text())["networks"].keys() == {"seed-0.onnx"}


def test_a_policy_offers_curves_that_can_be_submitted_and_followed(trained, course):
    _, folder, _ = trained
    policy = load_policy(folder)

    for soc in (0.0, 0.4, 1.0):
        curve = policy_curve(
            policy.actions, VALUES, 7, soc, BANDS, seen=course.seen[7], measure=policy.measure
        )
        assert problems(curve, BANDS, BATTERY, soc, 1.0) == []
    nothing = policy_curve(
        lambda seen: np.zeros((len(seen), 2)),
        VALUES,
        7,
        0.4,
        BANDS,
        seen=course.seen[7],
        measure=30.0,
    )
    assert nothing == bid_curve(VALUES, 7, 0.4, BANDS)


def test_a_policy_that_is_there_is_not_trained_again(trained, course, case):
    _, folder, _ = trained
    before = (folder / "seed-0.onnx").read_bytes()
    told = []

    retrain(
        course.cut(0, 500),
        course.cut(500, len(course.price)),
        case.prices.day[case.span][500:],
        folder,
        options=Options(ROUND, (0,)),
        progress=lambda *facts: told.append(facts),
    )

    assert (folder / "seed-0.onnx").read_bytes() == before
    assert told == []


def test_a_training_that_was_cut_goes_on_where_it_was(trained, course):
    _, folder, _ = trained
    told = []

    _train(
        course.cut(0, 500), 0, Options(2 * ROUND, (0,)), folder, lambda *facts: told.append(facts)
    )

    assert told == [(0, 2 * ROUND, 2 * ROUND)]


def test_an_altered_network_does_not_bid(trained, tmp_path: Path):
    _, folder, _ = trained
    for file in folder.glob("*.*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "seed-0.onnx").write_bytes(b"other")

    with pytest.raises(BadPolicy, match="not what the card names"):
        load_policy(tmp_path)
    with pytest.raises(BadPolicy, match="train it anew"):
        load_policy(tmp_path / "nowhere")


def test_hindsight_shaping_adds_up_to_the_money_and_the_change_of_value(course):
    practice = Practice(course, 8, 1)
    practice.reset()
    practice._shaken[:] = False
    practice._factor[:] = 1.0
    practice._weights[:, 1:] = 0.0
    begun, energy = practice._at.copy(), practice._energy.copy()
    told, rng = np.zeros(8), np.random.default_rng(1)

    for _ in range(20):
        practice._done[:] = 0
        practice.step_async(rng.uniform(-1, 1, (8, 2)))
        told += practice.step_wait()[1] * practice._unit

    best, full = practice._best, BATTERY.usable_mwh
    grid = np.linspace(0, full, best.shape[1])
    before = [np.interp(e, grid, best[t - 1]) for e, t in zip(energy, begun, strict=True)]
    after = [
        np.interp(e, grid, best[t - 1]) for e, t in zip(practice._energy, practice._at, strict=True)
    ]
    # Nothing that a policy does earns more than what hindsight says could be had.
    assert (told <= 1e-2).all()
    assert np.isfinite(np.array(after) - np.array(before)).all()


def test_the_gate_promotes_a_sure_gain_and_no_other():
    rng = np.random.default_rng(2)
    value = rng.normal(20, 10, 56)

    better = judge(value + 5, value)
    chance = judge(value + rng.normal(0, 10, 56), value)
    risky = judge(value + np.where(np.argsort(np.argsort(value)) < 3, -60, 20), value)

    assert better.promoted
    assert better.gain == pytest.approx(280)
    assert not chance.promoted
    assert not risky.promoted
    assert "bad days cost" in risky.reason


def test_the_back_test_says_who_bids(case, tmp_path):
    long = replace(
        case,
        train_to=151,
        first=152,
        last=160,
        prices=_prices(170),
        seen=_prices(170),
        wanted=Wanted(policy=tmp_path / "policy", policy_steps=ROUND, policy_seeds=1),
    )

    outcome = STRATEGIES["ppo"](long)

    promoted = load_policy(tmp_path / "policy").promoted
    assert outcome.notes[0].startswith("the policy earned" if promoted else "fall-back")


def _prices(days: int) -> Prices:
    price, base = made_prices(days)
    number = np.arange(len(price))
    return Prices(0, 60, price, base, number // 24, made_minutes(len(price)))
