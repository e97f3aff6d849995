"""How far a network is trusted is decided by what it did to the filter, where it never was."""

import shutil
from dataclasses import replace
from datetime import date

import pytest

from cell_lab.errors import TrainingError
from cell_lab.network import folds
from cell_lab.network.card import trusted_card
from cell_lab.network.caution import Tried, choose, choose_each, degrees
from cell_lab.network.folds import Fold, folder_of, try_folds, write_trust
from cell_lab.network.splits import Splits
from cell_lab.parameter_files import CELLS
from station.estimators.network import NOTHING, load_network

from .conftest import made_recording

SHIPPED = CELLS.parent / "models" / "network"
FILES_ONLY = shutil.ignore_patterns("held-out", "plain")
OFFERED = degrees(1.5)[:3]
HELPS = Tried("lg", "NMC", 0.0, "mixed", "soc", 2, (0.50, 0.40, 0.45), (90.0, 90.0, 90.0))
MANY = replace(HELPS, recordings=6)
CARD = (
    "# SOC network\n\n- Trust, found on Mixed8: much.\n\n## Where it is weak\n- The flat middle.\n"
)


def test_none_at_all_is_the_first_degree_of_trust_and_is_nothing():
    assert OFFERED[0].is_nothing
    assert not any(trust.is_nothing for trust in OFFERED[1:])


def test_the_degree_that_helps_most_is_taken():
    assert choose([HELPS], OFFERED) == OFFERED[1]


def test_a_degree_that_harms_one_group_is_not_taken_however_much_it_helps_others():
    harmed = replace(HELPS, cell="esc", rmse=(0.51, 0.79, 0.515))

    assert choose([HELPS, harmed], OFFERED) == OFFERED[2]


def test_what_harms_one_chemistry_is_still_taken_where_it_helps_another():
    harmed = replace(MANY, cell="esc", chemistry="LFP", rmse=(0.51, 0.79, 0.60))

    trusts = choose_each([MANY, harmed], OFFERED)

    assert trusts == {"LFP": OFFERED[0], "NMC": OFFERED[1]}


def test_recordings_that_are_too_few_make_no_trust_however_much_it_helps_there():
    again = replace(HELPS, disturbance="cold start")

    assert choose_each([HELPS, again], OFFERED) == {"NMC": OFFERED[0]}


def test_a_degree_at_which_intervals_no_longer_hold_is_not_taken():
    overconfident = replace(HELPS, inside=(90.0, 60.0, 87.9))

    assert choose([HELPS, overconfident], OFFERED) == OFFERED[0]


def test_a_network_that_does_not_help_is_trusted_in_nothing():
    useless = replace(HELPS, rmse=(0.50, 0.50, 0.499))

    assert choose([useless], OFFERED).is_nothing
    assert choose([], OFFERED).is_nothing


def test_trust_needs_another_fold_to_be_found_on(tmp_path):
    splits = Splits(folds={"all": {}, "a": {"esc26650": (0.0,)}})

    with pytest.raises(TrainingError, match="needs two folds"):
        try_folds(
            [made_recording("Mixed1", 0.0, 0.8)], splits, tmp_path, lambda _name, _share: None
        )


def test_a_fold_has_no_say_in_its_own_trust(recordings, tmp_path, monkeypatch):
    splits = Splits(folds={"a": {"esc26650": (0.0,)}, "b": {"esc26650": (25.0,)}, "all": {}})
    for name in ("a", "b", "all"):
        shutil.copytree(SHIPPED, folder_of(tmp_path, name), ignore=FILES_ONLY, dirs_exist_ok=True)
    drives = [each for each in recordings if each.slow or each.profile == "Mixed1"]
    asked: list[set[float]] = []

    def choice(tried, offered):
        asked.append({group.chamber_c for group in tried})
        return {"LFP": offered[-1]}

    monkeypatch.setattr(folds, "choose_each", choice)
    found = try_folds(drives, splits, tmp_path, lambda _name, _share: None)
    write_trust(found[0], tmp_path)

    assert [fold.name for fold in found] == ["a", "b", "all"]
    assert asked == [{25.0}, {0.0}, {0.0, 25.0}]
    assert {group.chamber_c for group in found[0].tried} == {0.0}
    facts = load_network(folder_of(tmp_path, "a")).facts
    assert facts.trust_in("LFP") == found[0].offered[-1]
    assert facts.trust_in("NCA").is_nothing


def test_the_card_shows_every_degree_and_what_was_good_enough_at_which_chemistry():
    fold = Fold("a", {"LFP": NOTHING, "NMC": OFFERED[1]}, [HELPS], OFFERED)
    day = date(2026, 1, 2).isoformat()

    card = trusted_card(CARD, fold, day)

    assert "- LFP cells: **it is trusted in nothing**" in card
    assert "- NMC cells: its errors are taken for 1.5 times" in card
    assert "| lg | 0 °C | mixed | soc | 2 | 0.50 (90) | 0.40 (90) | 0.45 (90) |" in card
    assert "Mixed8" not in card
    assert card.endswith("## Where it is weak\n- The flat middle.\n")
    assert trusted_card(card, fold, day) == card
