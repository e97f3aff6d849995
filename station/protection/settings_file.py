"""Reading the data files of protection: whole or not at all, with an error that can be mended."""

import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contract.words import Words
from station.config_errors import WHOLE_FILE, ConfigError, Fault, faults_of

FOLDER = Path(__file__).parent
_Model = TypeVar("_Model", bound=BaseModel)


class Section(BaseModel):
    """A section refuses unknown keys and never changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Name(Section):
    """A name in both languages."""

    en: str = Field(min_length=1)
    zh: str = Field(min_length=1)

    @property
    def words(self) -> Words:
        """The name as the house's own type."""
        return Words(self.en, self.zh)


def read(path: Path, model: type[_Model]) -> _Model:
    """Return a TOML file as a model.

    Raises:
        ConfigError: the file cannot be read, is no TOML, or holds wrong keys or values; names all.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        fault = Fault(WHOLE_FILE, None, f"cannot be read: {error.strerror}")
        raise ConfigError(path, fault) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(path, Fault(WHOLE_FILE, None, f"is no TOML: {error}")) from error
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise ConfigError(path, *faults_of(error, model)) from error
