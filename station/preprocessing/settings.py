"""What is looked for in cells, as a file that a domain expert can read and change."""

import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from contract.words import Words
from station.config_errors import WHOLE_FILE, ConfigError, Fault, faults_of

FILE = Path(__file__).with_name("checks.toml")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Mistake(_Section):
    """A mistake of units: what a value is to be multiplied by and shifted by to be right."""

    factor: float
    offset: float
    en: str = Field(min_length=1)
    zh: str = Field(min_length=1)

    @property
    def words(self) -> Words:
        """What it is, in both languages."""
        return Words(self.en, self.zh)


class Checks(_Section):
    """What is looked for in one signal of cells, in the unit of the signal."""

    spike: float = Field(gt=0, description="A step away from the rest of the rack")
    frozen_s: float = Field(gt=0, description="So long must a value stand still")
    moved: float = Field(gt=0, description="So far must the rest of the rack have moved meanwhile")
    usual: tuple[float, float] = Field(description="Where the mean of a rack is in its right unit")
    plausible: tuple[float, float] = Field(description="Where it may be at all")
    mistakes: tuple[Mistake, ...] = Field(description="Tried in turn; the first that fits is named")

    @model_validator(mode="after")
    def _usual_is_plausible(self) -> Self:
        (low, high), (least, most) = self.usual, self.plausible
        if not least <= low < high <= most:
            raise ValueError("plausible must hold usual, and both must go from low to high")
        return self


class CellChecks(_Section):
    """The whole file."""

    cell_voltage_v: Checks
    cell_temperature_c: Checks


@lru_cache(maxsize=8)
def load_checks(path: Path = FILE) -> CellChecks:
    """Read the checks, by default those that ship with the station.

    Raises:
        ConfigError: names file, key and remedy.
    """
    try:
        return CellChecks.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        fault = Fault(WHOLE_FILE, None, f"cannot be read: {error.strerror}")
        raise ConfigError(path, fault) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(path, Fault(WHOLE_FILE, None, f"is no TOML: {error}")) from error
    except ValidationError as error:
        raise ConfigError(path, *faults_of(error, CellChecks)) from error
