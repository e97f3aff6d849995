"""The rule by which racks are retired: a file that an owner reads and changes."""

import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cloud.errors import ConfigError

DEFAULT_RULE = Path(__file__).with_name("retirement.toml")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Conditions(_Strict):
    """Any of them retires a rack; None is not looked at.

    Attributes:
        soh_below: capacity as a share of the nominal.
        resistance_ratio_above: resistance as a multiple of a fresh rack's.
        capacity_spread_above: largest minus least cell capacity as a share of the mean.
    """

    soh_below: Annotated[float, Field(gt=0, lt=1)] | None = None
    resistance_ratio_above: Annotated[float, Field(gt=1)] | None = None
    capacity_spread_above: Annotated[float, Field(gt=0, lt=1)] | None = None

    @model_validator(mode="after")
    def _has_one(self) -> "Conditions":
        if all(value is None for value in self.model_dump().values()):
            raise ValueError("name one condition at the least, as soh_below = 0.7")
        return self


class OutlookRule(_Strict):
    """How far the outlook reaches, and what it is made from; years and days."""

    within_years: Annotated[float, Field(gt=0, le=30)] = 3.0
    trend_days: Annotated[float, Field(gt=0)] = 730.0
    least_days: Annotated[float, Field(gt=0)] = 60.0


class RetirementRule(_Strict):
    """A rule file."""

    conditions: Conditions
    outlook: OutlookRule = OutlookRule()


def load_retirement_rule(path: Path = DEFAULT_RULE) -> RetirementRule:
    """Read a rule.

    Raises:
        ConfigError: the file is missing, is no TOML, or a key is missing or wrong.
    """
    try:
        return RetirementRule.model_validate(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise ConfigError(path, "file", path.name, error.strerror or "cannot be read") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(path, "file", path.name, f"is no TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "file"
        raise ConfigError(path, key, first["input"], first["msg"]) from error


def rule_in_words(rule: RetirementRule) -> dict[str, str]:
    """Return the rule as a sentence, by language (en, zh)."""
    conditions, years = rule.conditions, rule.outlook.within_years
    english, chinese = [], []
    if conditions.soh_below is not None:
        english.append(f"SOH below {100 * conditions.soh_below:g} %")
        chinese.append(f"SOH 低于 {100 * conditions.soh_below:g} %")
    if conditions.resistance_ratio_above is not None:
        english.append(f"resistance above {conditions.resistance_ratio_above:g} times that of new")
        chinese.append(f"内阻高于新电芯的 {conditions.resistance_ratio_above:g} 倍")
    if conditions.capacity_spread_above is not None:
        english.append(
            f"cell capacities more than {100 * conditions.capacity_spread_above:g} % apart"
        )
        chinese.append(f"单体容量极差超过 {100 * conditions.capacity_spread_above:g} %")
    return {
        "en": f"Retire at {' or '.join(english)}; plan it when expected within {years:g} years.",
        "zh": f"满足以下任一条件即退役：{'；'.join(chinese)}。预计 {years:g} 年内达到时列入计划。",
    }
