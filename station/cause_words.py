"""The words of a cause in both languages: drivers tell theirs in English, across a process.

The Chinese of each stands in `causes.toml`.
"""

import re
import tomllib
from functools import lru_cache
from pathlib import Path

from contract.words import Words

_FILE = Path(__file__).with_name("causes.toml")
_GAP = "{}"


def cause_words(text: str) -> Words:
    """Return a cause in both languages; one that nobody has put into Chinese stays as it is."""
    for pattern, chinese in _causes():
        found = pattern.fullmatch(text)
        if found is not None:
            return Words(text, chinese.format(*found.groups()))
    return Words(text, text)


@lru_cache(maxsize=1)
def _causes() -> tuple[tuple[re.Pattern[str], str], ...]:
    told = tomllib.loads(_FILE.read_text(encoding="utf-8"))["causes"]
    return tuple((_pattern(one["en"]), one["zh"]) for one in told)


def _pattern(text: str) -> re.Pattern[str]:
    parts = (re.escape(part) for part in text.split(_GAP))
    return re.compile("(.+?)".join(parts), re.DOTALL)
