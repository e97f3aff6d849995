"""A text in the two languages of the house: English and Simplified Chinese."""

from typing import Final, NamedTuple


class Words(NamedTuple):
    """One text for people, in both languages."""

    en: str
    zh: str

    def text(self, language: str) -> str:
        """Return the text for a language tag: Chinese for "zh..." and English for all others."""
        return self.zh if language.lower().startswith("zh") else self.en


NO_WORDS: Final = Words("", "")
"""Nothing is said."""
