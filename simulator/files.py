"""Reading TOML files into models, with errors that name file, key, value and remedy."""

import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from simulator.errors import ConfigError

DATA = Path(__file__).resolve().parent.parent / "data"


class Strict(BaseModel):
    """A model that refuses unknown keys and never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


_Model = TypeVar("_Model", bound=BaseModel)


def load_toml(path: Path, model: type[_Model]) -> _Model:
    """Read a file.

    Raises:
        ConfigError: it cannot be read, is no TOML, or holds a wrong key or value.
    """
    try:
        raw: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(path, "file", error.strerror, "name a file that can be read") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(path, "TOML", str(error), "mend the line named") from error
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        value = None if first["type"] == "missing" else first["input"]
        raise ConfigError(path, key, value, first["msg"]) from error
