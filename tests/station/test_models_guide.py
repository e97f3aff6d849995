"""What docs/models.md says is so: keys with their defaults, reasons, events, signals."""

import re
import tomllib
from pathlib import Path

import pytest

from contract.events import EVENT_CODES
from contract.layouts import ESTIMATE_STATION
from contract.orders import REASONS
from station.config.models import ModelsConfig

TEXT = (Path(__file__).parents[2] / "docs/models.md").read_text(encoding="utf-8")


def test_the_section_shows_every_key_with_its_default():
    (block,) = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)

    assert tomllib.loads(block)["models"] == ModelsConfig().model_dump()


@pytest.mark.parametrize("code", sorted(c for c in REASONS if c.startswith("model_")))
def test_every_reason_is_explained(code):
    assert f"`{code}`" in TEXT


def test_every_event_and_signal_of_models_is_named():
    signals = {column.signal.name for column in ESTIMATE_STATION.columns}
    named = set(re.findall(r"`([a-z_.]+)`", TEXT))

    assert {code for code in EVENT_CODES if code.startswith("model.")} <= named
    assert {s for s in signals if s.startswith(("model_", "shadow_"))} <= named
