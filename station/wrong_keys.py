"""What a check of a document has found, in the words of whoever wrote the file.

Configuration, profiles, mappings and sensor files are checked by pydantic, whose own words
speak of Python's types. Here each fault is told with its key as it stands in the file, what is
meant instead, and for an unknown key the one that was probably meant.
"""

import difflib
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

_KINDS = frozenset({"int", "str", "float", "bool", "constrained-int"})
_KIND_BEGINNINGS = ("tuple[", "literal[")
"""How pydantic names the kind of value that it tried; no key of a file."""

_WORDS: Mapping[str, str] = {
    "extra_forbidden": "is no key here",
    "missing": "is missing",
    "finite_number": "must be a finite number",
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be above {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be below {lt}",
    "multiple_of": "must be a multiple of {multiple_of}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "string_type": "must be a text in quotes",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "tuple_type": "must be a list: [ ... ]",
    "list_type": "must be a list: [ ... ]",
    "dict_type": "must be a table: {{ ... }}",
    "mapping_type": "must be a table: {{ ... }}",
    "too_short": "needs at least {min_length} entries",
    "too_long": "has more than {max_length} entries",
}
_TABLES = frozenset({"model_type", "model_attributes_type", "dataclass_type"})


@dataclass(frozen=True)
class WrongKey:
    """One fault of a document.

    Attributes:
        path: as pydantic gives it, of keys and numbers of lists.
        key: its place as the file shows it.
        problem: what is wrong.
        guess: the key that was probably meant; empty where none is near, or the key is right.
    """

    path: tuple[int | str, ...]
    key: str
    problem: str
    guess: str


def wrong_keys(error: ValidationError, root: type[BaseModel]) -> list[WrongKey]:
    """Return what is wrong with a document, once for each key.

    Args:
        error: what a check of the document by `root` has raised.
        root: the model of the whole document.
    """
    found: dict[str, WrongKey] = {}
    kinds = _KINDS | {model.__name__ for model in _all_below(root)}
    for first in error.errors(include_url=False):
        parts = [str(part) for part in first["loc"] if not _is_kind(str(part), kinds)]
        key = ".".join(parts) or "file"
        guess = ""
        if first["type"] == "extra_forbidden":
            guess = guess_of(root, first["loc"])
        if key not in found:
            found[key] = WrongKey(first["loc"], key, _problem(first, root), guess)
    return list(found.values())


def remedy_for(fault: WrongKey, where: str) -> str:
    """Return what to do: the key that was meant, where there is one, and who lists them."""
    return f"did you mean {fault.guess!r}? {where}" if fault.guess else where


def _is_kind(part: str, kinds: frozenset[str]) -> bool:
    return part in kinds or part.startswith(_KIND_BEGINNINGS)


def in_words(first: ErrorDetails, root: type[BaseModel] | None = None) -> str:
    """Return what is wrong with one value, without the value."""
    kind = first["type"]
    if kind in _TABLES and root is not None:
        return _wanted_table(root, first["loc"])
    if kind in _WORDS:
        return _WORDS[kind].format_map({k: _whole(v) for k, v in first.get("ctx", {}).items()})
    return first["msg"].removeprefix("Value error, ")


def _whole(bound: object) -> object:
    return int(bound) if isinstance(bound, float) and bound.is_integer() else bound


def guess_of(root: type[BaseModel], path: tuple[int | str, ...]) -> str:
    """Return the key that was probably meant by an unknown one, empty where none is near."""
    near = difflib.get_close_matches(str(path[-1]), sorted(_keys(_models_at(root, path))), 1)
    return near[0] if near else ""


def _problem(first: ErrorDetails, root: type[BaseModel]) -> str:
    text, given = in_words(first, root), first.get("input")
    return text if isinstance(given, Mapping) else f"{text} (given: {given!r})"


def _wanted_table(root: type[BaseModel], path: tuple[int | str, ...]) -> str:
    """Return that a table is due, with the keys that it cannot do without."""
    names = {
        name: None
        for model in _models_at(root, (*path, ""))
        for name, field in model.model_fields.items()
        if field.is_required()
    }
    needed = ", ".join(f"{name} = ..." for name in names) or "..."
    return f"must be a table: {{ {needed} }}"


def _keys(models: set[type[BaseModel]]) -> set[str]:
    return {field.alias or name for model in models for name, field in model.model_fields.items()}


def _models_at(root: type[BaseModel], path: tuple[int | str, ...]) -> set[type[BaseModel]]:
    """Return the models of the table in which the last key of a path stands."""
    models = {root}
    for part in path[:-1]:
        below: set[type[BaseModel]] = set()
        for model in models:
            for name, field in model.model_fields.items():
                if part in {name, field.alias}:
                    below |= set(_models_in(field.annotation))
        models = below or models
    return models


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from _models_in(inner)


def _all_below(root: type[BaseModel]) -> set[type[BaseModel]]:
    found: set[type[BaseModel]] = set()
    waiting = {root}
    while waiting:
        model = waiting.pop()
        found.add(model)
        below = {m for f in model.model_fields.values() for m in _models_in(f.annotation)}
        waiting |= below - found
    return found
