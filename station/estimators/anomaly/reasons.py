"""Reasons of findings in words of both languages; the texts are data, in reasons.toml."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from station.estimators.anomaly.fuse import Kind

_FILE = Path(__file__).with_name("reasons.toml")


@dataclass(frozen=True)
class Words:
    """One text in both languages."""

    en: str
    zh: str


def reason(kind: Kind, channel: str, value: float, unit: str, cell: int) -> Words:
    """Return why a finding was made.

    Args:
        kind: of the finding.
        channel: what showed it.
        value: its figure, in the unit.
        unit: empty where the figure has none.
        cell: within the rack, from 0; people count from 1.
    """
    texts = _texts()[kind.name.lower()]
    texts = texts.get(channel, texts)
    shown = f"{value:+.3g} {unit}" if unit else f"{value:+.1f} σ"
    return Words(
        en=texts["en"].format(cell=cell + 1, value=shown),
        zh=texts["zh"].format(cell=cell + 1, value=shown),
    )


@cache
def _texts() -> dict[str, dict[str, Any]]:
    return tomllib.loads(_FILE.read_text("utf-8"))
