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
        remedy = f"cannot be read ({error.strerror}); name a file that can"
        raise ConfigError(path, "file", None, remedy) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(path, "TOML", None, f"{error}; mend the line named") from error
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        value = None if first["type"] == "missing" else first["input"]
        raise ConfigError(path, key, value, _remedy(first["type"], first["msg"])) from error


def _remedy(kind: str, message: str) -> str:
    if kind == "missing":
        return "is required; add it"
    if kind == "extra_forbidden":
        return "is not a known key; check its spelling or remove it"
    return message.removeprefix("Value error, ")
