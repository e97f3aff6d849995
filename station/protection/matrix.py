"""Cause and effect: which finding makes protection do what, and to whom.

The matrix is a file. Its rows are tried in their order; the first one that wants something of
a device decides, so that a fire keeps the cooling off which a hot cell would want on.
"""

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from station.config_errors import Fault, refuse
from station.protection.levels import Level, Scope
from station.protection.rules import Rule, Rules
from station.protection.settings_file import FOLDER, Name, Section, read


class Deed(StrEnum):
    """What protection can do."""

    STOP_CONVERTER = "stop_converter"
    OPEN_CONTACTORS = "open_contactors"
    COOLING_OFF = "cooling_off"
    COOLING_ON = "cooling_on"
    VENTILATION_ON = "ventilation_on"
    FIND_INSULATION_FAULT = "find_insulation_fault"


class Effect(Section):
    """One thing to do because of a cause."""

    do: Deed
    reach: Scope | None = Field(default=None, description="Other than the row's")
    after_s: float = Field(default=0, ge=0, le=60)
    until_current_low_s: float | None = Field(default=None, ge=0, le=60)


class Row(Section):
    """One row of the matrix."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]{1,31}$")
    name: Name
    causes: tuple[str, ...] = Field(min_length=1)
    reach: Scope
    effects: tuple[Effect, ...] = Field(min_length=1)
    neighbours: float | None = Field(default=None, gt=0, lt=1)
    block_restart: bool = False
    in_local: bool = False

    @model_validator(mode="after")
    def _causes_are_pairs(self) -> Self:
        for cause in self.causes:
            rule, _, level = cause.partition(":")
            if not rule or level.upper() not in Level.__members__:
                raise ValueError(f"cause {cause!r} must read rule:level, e.g. 'hydrogen:trip'")
        return self

    @property
    def pairs(self) -> Mapping[str, Level]:
        """The level from which each rule is a cause of this row."""
        pairs = (cause.partition(":") for cause in self.causes)
        return {rule: Level[level.upper()] for rule, _, level in pairs}


class ClosedLoop(Section):
    """How the plant's own feedback is awaited."""

    attempts: int = Field(ge=1, le=10, description="Before the next level")
    repeat_s: float = Field(gt=0, description="Between attempts after that")
    repeats: int = Field(default=6, ge=0, description="So many at this pace, then more slowly")
    slow_repeat_s: float = Field(default=60, gt=0, description="Between all further attempts")
    current_low_a: float = Field(gt=0, description="Less is no current")
    power_low_part: float = Field(gt=0, lt=1, description="Of the rating; less is no power")
    close_attempts: int = Field(ge=1, le=10, description="To close a contactor after a reset")
    close_within_s: float = Field(gt=0)


class InsulationSearch(Section):
    """How a rack with an insulation fault is found behind a container's monitor."""

    bring_down_s: float = Field(ge=0, description="Longest wait for the current to fall")
    settle_s: float = Field(gt=0, description="From a contactor's opening to the verdict")


class FirstOutSettings(Section):
    """How far device times may lie back."""

    window_s: float = Field(gt=0)


class Matrix(Section):
    """The whole file."""

    closed_loop: ClosedLoop
    insulation_search: InsulationSearch
    first_out: FirstOutSettings
    rows: tuple[Row, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Self:
        ids = [row.id for row in self.rows]
        twice = {i for i in ids if ids.count(i) > 1}
        if twice:
            raise ValueError(f"row {min(twice)!r} stands twice; give each its own id")
        return self


@lru_cache(maxsize=8)
def load_matrix(path: Path | None = None) -> Matrix:
    """Read the matrix, by default the one that ships with the station.

    Raises:
        ConfigError: names file, key and remedy.
    """
    return read(path or FOLDER / "matrix.toml", Matrix)


def check_matrix(matrix: Matrix, rules: Rules, path: Path | None = None) -> None:
    """Refuse a matrix that names rules or levels that do not exist: they would never act.

    Raises:
        ConfigError: names the rows and the remedy.
    """
    refuse(
        path or FOLDER / "matrix.toml",
        (
            Fault(
                f"rows[{k}].causes",
                f"{name}:{level.name.lower()}",
                "name a rule of rules.toml and a level that it has",
            )
            for k, row in enumerate(matrix.rows)
            for name, level in row.pairs.items()
            if not _has_level(rules.find(name), level)
        ),
    )


def _has_level(rule: Rule | None, level: Level) -> bool:
    return rule is not None and max(known for known, _ in rule.levels) >= level
