from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.errors import ConfigError
from cloud.health import (
    CONDITION_TEXTS,
    VERDICT_TEXTS,
    HealthPoint,
    Verdict,
    load_retirement_rule,
    outlook,
    outlooks,
    rule_in_words,
)

TODAY = datetime(2026, 6, 1, tzinfo=UTC)
RULE = load_retirement_rule()


def _history(per_year, now, years=2.0, noise=0.0, **others):  # noqa: ANN003
    chance = np.random.default_rng(1)
    days = np.arange(0.0, -years * 365, -7.0)[::-1]
    return [
        HealthPoint(
            at=TODAY + timedelta(days=day),
            soh=now + per_year * day / 365.25 + noise * chance.normal(),
            soh_half_width=0.01,
            **{name: value(day / 365.25) for name, value in others.items()},
        )
        for day in days
    ]


def _years(when: datetime | None) -> float:
    assert when is not None
    return (when - TODAY).days / 365.25


def test_a_rack_that_loses_three_percent_a_year_reaches_the_bound_when_it_must():
    found = outlook(_history(-0.03, 0.85), RULE, TODAY)

    assert found.binding is not None
    assert found.binding.condition == "soh_below"
    assert found.binding.per_year == pytest.approx(-0.03, abs=1e-4)
    assert _years(found.binding.expected) == pytest.approx(5, abs=0.05)
    assert found.verdict == Verdict.KEEP


def test_the_dates_between_which_it_may_be_lie_about_the_expected_one():
    exact = outlook(_history(-0.03, 0.85), RULE, TODAY).binding
    noisy = outlook(_history(-0.03, 0.85, noise=0.01), RULE, TODAY).binding

    for found in (exact, noisy):
        assert _years(found.earliest) < _years(found.expected) < _years(found.latest)
    assert _years(exact.latest) - _years(exact.earliest) == pytest.approx(0.02 / 0.03, abs=0.05)
    assert _years(noisy.latest) - _years(noisy.earliest) > 0.02 / 0.03


@pytest.mark.parametrize(
    ("now", "verdict"),
    [(0.69, Verdict.RETIRE), (0.75, Verdict.PLAN), (0.95, Verdict.KEEP)],
)
def test_the_verdict_follows_the_date(now: float, verdict: Verdict):
    assert outlook(_history(-0.03, now), RULE, TODAY).verdict == verdict


def test_resistance_can_bind_before_capacity():
    history = _history(-0.01, 0.9, resistance_ratio=lambda years: 1.9 + 0.2 * years)

    found = outlook(history, RULE, TODAY)

    assert found.binding is not None
    assert found.binding.condition == "resistance_ratio_above"
    assert _years(found.binding.expected) == pytest.approx(0.5, abs=0.05)
    assert found.verdict == Verdict.PLAN


def test_a_spread_of_cells_can_bind():
    history = _history(-0.01, 0.9, capacity_spread=lambda years: 0.16 + 0.02 * years)

    found = outlook(history, RULE, TODAY)

    assert found.verdict == Verdict.RETIRE
    assert found.binding is not None
    assert found.binding.condition == "capacity_spread_above"


def test_a_short_history_makes_no_trend():
    assert outlook(_history(-0.03, 0.85, years=0.1), RULE, TODAY).verdict == Verdict.UNKNOWN
    assert outlook([], RULE, TODAY).verdict == Verdict.UNKNOWN


def test_a_rack_that_does_not_age_is_kept_without_a_date():
    found = outlook(_history(0.0, 0.9), RULE, TODAY)

    assert found.verdict == Verdict.KEEP
    assert found.binding is None


def test_what_lies_after_today_is_not_looked_at():
    history = _history(-0.03, 0.85)
    later = HealthPoint(TODAY + timedelta(days=1), 0.1, 0.01)

    assert outlook([*history, later], RULE, TODAY) == outlook(history, RULE, TODAY)


def test_every_rack_has_a_row_in_the_order_given():
    rows = outlooks({"C1-R02": _history(-0.03, 0.85), "C1-R01": []}, RULE, TODAY)

    assert [row.rack for row in rows] == ["C1-R02", "C1-R01"]
    assert rows[0].latest is not None
    assert rows[0].latest.at == TODAY
    assert rows[1].latest is None


@given(per_year=st.floats(-0.1, -0.002), now=st.floats(0.72, 1.0))
def test_the_interval_always_holds_the_expected_date(per_year: float, now: float):
    found = outlook(_history(per_year, now), RULE, TODAY).crossings[0]

    horizon = TODAY + timedelta(days=40 * 365)
    earliest, expected, latest = (
        when or horizon for when in (found.earliest, found.expected, found.latest)
    )
    assert earliest <= expected <= latest


def test_the_rule_is_told_in_both_languages():
    words = rule_in_words(RULE)

    assert "SOH below 70 %" in words["en"]
    assert "3 years" in words["en"]
    assert "SOH 低于 70 %" in words["zh"]
    assert set(VERDICT_TEXTS) == set(Verdict)
    assert set(CONDITION_TEXTS) == set(RULE.conditions.model_dump())


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[conditions]\nsoh_below = 1.7\n", "conditions.soh_below"),
        ("[conditions]\n", "conditions"),
        ("[conditions]\nsoh_under = 0.7\n", "conditions.soh_under"),
        ("conditions = ", "file"),
    ],
)
def test_a_wrong_rule_names_file_and_key(tmp_path, text: str, key: str):
    path = tmp_path / "rule.toml"
    path.write_text(text)

    with pytest.raises(ConfigError) as refused:
        load_retirement_rule(path)

    assert refused.value.key == key
    assert str(path) in str(refused.value)
