"""Delay, dead band, clearing and ignorance of one rule, and the files that hold the rules."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.config_errors import ConfigError
from station.protection import Level, load_rules, rules
from station.protection.judge import Reading, edges, highest, judge
from station.protection.rules import LevelRule, Rule

NAN = float("nan")
SHIPPED = Path(rules.__file__).with_name("rules.toml")


def rule(**levels: dict) -> Rule:
    return Rule(
        id="thing",
        name={"en": "thing", "zh": "事物"},
        quantity="hydrogen_ppm",
        source="test",
        **levels,
    )


def reading(*values: float, at_ms: int = 0) -> Reading:
    n = len(values)
    names = tuple(f"D{k}" for k in range(n))
    return Reading(
        *(names, ("C1",) * n, np.array(values)),
        times_ms=np.full(n, at_ms),
        cells=np.zeros(n, dtype=np.int64),
    )


def course(found: Rule, values: list[float]) -> list[Level]:
    """The level after each second of a course of one device."""
    state, levels = None, []
    for second, value in enumerate(values):
        state = judge(found, reading(value, at_ms=second * 1000), state, 1.0)
        reached = highest(found, state)
        levels.append(reached[0][0] if reached else Level.NORMAL)
    return levels


W, D, S, T, N = Level.WARN, Level.DERATE, Level.STOP, Level.TRIP, Level.NORMAL


def test_a_level_is_reached_after_its_delay_and_not_before():
    found = rule(warn={"limit": 10, "delay_s": 3})

    assert course(found, [5, 11, 11, 11, 11]) == [N, N, N, N, W]


def test_a_value_that_falls_back_starts_the_delay_again():
    found = rule(warn={"limit": 10, "delay_s": 2})

    assert course(found, [11, 11, 9, 11, 11, 11]) == [N, N, N, N, N, W]


def test_a_level_ends_only_behind_its_dead_band():
    found = rule(warn={"limit": 10, "dead_band": 2})

    assert course(found, [11, 9, 8.1, 8.0, 9]) == [W, W, W, N, N]


def test_a_level_ends_only_after_its_clearing_time_without_a_break():
    found = rule(warn={"limit": 10, "clear_s": 2})

    assert course(found, [11, 9, 9, 10.5, 9, 9, 9]) == [W, W, W, W, W, W, N]


def test_a_low_limit_works_the_other_way_round():
    found = rule(warn={"limit": 5, "dead_band": 1}).model_copy(update={"sense": rules.Sense.LOW})

    assert course(found, [6, 4, 5.5, 6.0]) == [N, W, W, N]


def test_levels_are_climbed_and_left_one_by_one():
    found = rule(
        warn={"limit": 10},
        derate={"limit": 20, "factor": 0.5},
        stop={"limit": 30, "delay_s": 1},
        trip={"limit": 40, "dead_band": 15},
    )

    assert course(found, [5, 15, 25, 35, 35, 45, 35, 24, 15, 5]) == [N, W, D, D, S, T, T, D, W, N]


def test_an_unknown_value_never_ends_a_level_and_never_stops_a_delay():
    found = rule(trip={"limit": 10, "delay_s": 3})

    assert course(found, [11, NAN, NAN, NAN, NAN, NAN, 5]) == [N, N, N, T, T, T, N]
    assert course(found, [NAN, NAN, NAN, NAN, NAN]) == [N] * 5


def test_a_finding_begins_at_the_device_time_of_the_first_bad_value():
    found = rule(warn={"limit": 10, "delay_s": 2})
    state = None

    for second in range(5):
        state = judge(found, reading(11.0, at_ms=5000 + second * 1000), state, 1.0)

    assert state.began_ms[0, 0] == 5000


def test_every_device_is_judged_by_itself_and_new_ones_join_clean():
    found = rule(warn={"limit": 10})
    first = judge(found, reading(11.0, 5.0), None, 1.0)

    grown = judge(found, reading(NAN, NAN, 12.0), first, 1.0)

    assert [j for _, _, j in highest(found, grown)] == [0, 2]
    assert edges(found, grown, first) == [(W, 2)]


@given(st.lists(st.floats(0, 50) | st.just(NAN), max_size=40))
def test_a_trip_without_a_known_good_value_stays(values):
    found = rule(trip={"limit": 25, "dead_band": 5})
    tripped = False

    for value, level in zip(values, course(found, values), strict=True):
        if value > 25:
            tripped = True
        elif value <= 20:
            tripped = False
        assert (level is T) == tripped


def every_level() -> list[tuple[Rule, Level, LevelRule]]:
    return [(r, level, figures) for r in load_rules().rules for level, figures in r.levels]


@pytest.mark.parametrize(
    ("found", "level", "figures"), every_level(), ids=lambda x: getattr(x, "id", str(x)[:8])
)
def test_every_shipped_level_comes_after_its_delay_and_goes_behind_its_dead_band(
    found, level, figures
):
    sign = 1 if found.sense is rules.Sense.HIGH else -1
    small = max(1e-6, abs(figures.limit) * 1e-6)
    beyond, inside = figures.limit + sign * small, figures.limit - sign * small
    back = figures.limit - sign * (figures.dead_band + small)
    delay, clear = int(np.ceil(figures.delay_s)), int(np.ceil(figures.clear_s))
    state = None

    def after(value: float, seconds: int) -> bool:
        nonlocal state
        for _ in range(seconds):
            state = judge(found, reading(value), state, 1.0)
        i = [known for known, _ in found.levels].index(level)
        return bool(state.standing[i, 0])

    assert not after(inside, 3)
    assert not after(beyond, delay) or delay == 0
    assert after(beyond, 1)
    if figures.dead_band:
        assert after(inside, 3)
    assert after(NAN, clear + 3)
    assert not after(back, clear + 1)


def test_every_shipped_rule_speaks_both_languages_and_names_its_source():
    for found in load_rules().rules:
        assert found.name.en.isascii()
        assert any("一" <= c <= "鿿" for c in found.name.zh) or found.id == "fire_state"
        assert found.source


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("limit = 3.60", "limit = 3.90", "a graver level must lie further out"),
        (", factor = 0.5 }", " }", "derate needs factor"),
        ('reason = "CELL_VOLTAGE"', 'reason = "CELL_VOLT"', "is no limit reason"),
        ('quantity = "cell_voltage_max_v"', 'quantity = "cell_voltage"', "quantity"),
        ('id = "cell_voltage_low"', 'id = "cell_voltage_high"', "stands twice"),
        ("delay_s = 5", "delay = 5", "unknown key"),
        ('code = "runaway.warning"', 'code = "runaway.warn"', "is not in the event catalogue"),
        ("zh = ", "cn = ", "name"),
        ("full_z = 15", "full_z = 2", "full_z must be above begin_z"),
    ],
)
def test_a_wrong_rule_is_refused_with_file_key_and_remedy(tmp_path, old, new, told):
    path = tmp_path / "rules.toml"
    path.write_text(SHIPPED.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")

    with pytest.raises(ConfigError, match=told) as caught:
        load_rules(path)

    assert str(caught.value).startswith(str(path))


def test_a_file_that_is_not_there_or_no_toml_is_named(tmp_path):
    broken = tmp_path / "broken.toml"
    broken.write_text("rules = [", encoding="utf-8")

    with pytest.raises(ConfigError, match="cannot be read"):
        load_rules(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="is no TOML"):
        load_rules(broken)
