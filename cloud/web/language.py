"""Two languages, chosen on the server: English is the key, the catalogue holds the Chinese.

A page is rendered in the language of the cookie, or of the browser's wish at the first visit. The
texts that page modules need travel with the page, so that the browser shows one language from the
first pixel on.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from babel.core import negotiate_locale
from babel.messages.pofile import read_po

COOKIE = "sm_language"
DEFAULT = "en"
CHINESE = "zh-Hans"
LANGUAGES = (DEFAULT, CHINESE)

_WEB = Path(__file__).parent
_CATALOGUES = {CHINESE: _WEB / "translations" / "zh_Hans.po"}
_MODULES = _WEB / "static" / "js"
# A number and its unit stay on one line.
_UNIT = re.compile(r"(?<=\d) (?=(?:°C|%|MWh?|mV|V|A|K|s|min|h)(?![A-Za-z]))")
# A page module names a text as t("..."), always as one literal in double quotes.
_ASKED = re.compile(r'\bt\(\s*("(?:[^"\\\n]|\\.)*")')
# What browsers say for Simplified Chinese.
_SIMPLIFIED = ("zh", "zh_hans", "zh_cn", "zh_sg", "zh_hans_cn", "zh_hans_sg", "zh_my")


@dataclass(frozen=True)
class Words:
    """The texts of one language."""

    language: str
    catalogue: Mapping[str, str]

    def __call__(self, text: str, **facts: object) -> str:
        """The text in this language, with `{name}` replaced by `facts`."""
        found = self.catalogue.get(text, text)
        return _UNIT.sub("\N{NO-BREAK SPACE}", found.format(**facts) if facts else found)

    def for_modules(self) -> dict[str, str]:
        """The texts that page modules use; empty for English, which is the key itself."""
        return {text: self.catalogue[text] for text in module_texts() if text in self.catalogue}


@cache
def words(language: str) -> Words:
    """The texts of `language`."""
    file = _CATALOGUES.get(language)
    return Words(language, {} if file is None else read_catalogue(file))


def read_catalogue(file: Path) -> dict[str, str]:
    """Message id -> text of a gettext catalogue; untranslated and fuzzy entries are left out."""
    with file.open("rb") as source:
        found = read_po(source)
    return {
        str(message.id): str(message.string)
        for message in found
        if message.id and message.string and not message.fuzzy
    }


@cache
def module_texts() -> frozenset[str]:
    """Every text that a page module asks for with `t("...")`."""
    sources = (module.read_text(encoding="utf-8") for module in sorted(_MODULES.glob("*.js")))
    return frozenset(json.loads(text) for source in sources for text in _ASKED.findall(source))


def choose(cookie: str | None, accept_language: str | None) -> str:
    """The language of the cookie, else the first known one of the Accept-Language header."""
    if cookie in LANGUAGES:
        return cookie
    wishes = _wishes(accept_language or "")
    best = negotiate_locale(wishes, ["en", *_SIMPLIFIED], aliases={})
    return CHINESE if best and best.lower() in _SIMPLIFIED else DEFAULT


def _wishes(header: str) -> list[str]:
    weighted = []
    for position, part in enumerate(header.split(",")):
        tag, _, parameters = part.strip().partition(";")
        weight = 1.0
        if parameters.strip().startswith("q="):
            try:
                weight = float(parameters.strip()[2:])
            except ValueError:
                weight = 0.0
        if tag and weight > 0:
            weighted.append((-weight, position, tag.replace("-", "_")))
    return [tag for _, _, tag in sorted(weighted)]
