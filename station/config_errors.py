"""What is wrong with a configuration file, said so that it can be mended at one go."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from station.errors import StationError
from station.wrong_keys import guess_of, in_words

WHOLE_FILE = "(file)"


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: where, what stands there, and how to mend it.

    Attributes:
        key: its place as the file shows it, e.g. ``devices[2].rated_kw``.
        value: what stands there; None where nothing does, or a whole section.
        remedy: what to do.
    """

    key: str
    value: object
    remedy: str

    def __str__(self) -> str:
        """Say it in one line."""
        shown = "" if self.value is None else f" = {self.value!r}"
        return f"{self.key}{shown}: {self.remedy}"


class ConfigError(StationError):
    """A configuration is refused whole; names the file and every fault that was found in it."""

    def __init__(self, file: Path, *faults: Fault) -> None:
        """Build one line for each fault."""
        super().__init__("\n".join(f"{file}: {fault}" for fault in faults))
        self.file = file
        self.faults = faults


def refuse(file: Path, faults: Iterable[Fault]) -> None:
    """Refuse a file with all its faults.

    Raises:
        ConfigError: there are any.
    """
    found = tuple(faults)
    if found:
        raise ConfigError(file, *found)


def faults_of(error: ValidationError, root: type[BaseModel] | None = None) -> tuple[Fault, ...]:
    """Return everything that a check of a document has found.

    Args:
        error: what the check has raised.
        root: the model of the whole document, to guess what unknown keys were meant to be.
    """
    return tuple(
        Fault(_key_text(one["loc"]), _shown(one["type"], one["input"]), _remedy(one, root))
        for one in error.errors(include_url=False)
    )


def _key_text(path: tuple[int | str, ...]) -> str:
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text or WHOLE_FILE


def _shown(kind: str, value: object) -> object:
    return None if kind == "missing" or isinstance(value, dict | list) else value


def _remedy(error: ErrorDetails, root: type[BaseModel] | None) -> str:
    if error["type"] != "extra_forbidden":
        return in_words(error, root)
    guess = "" if root is None else guess_of(root, error["loc"])
    meant = f"did you mean {guess!r}? " if guess else ""
    return f"unknown key; {meant}remove it or mend its spelling"
