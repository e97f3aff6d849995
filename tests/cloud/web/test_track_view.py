"""The desk's words on risk, as its page draws them."""

from zoneinfo import ZoneInfo

import numpy as np
import pytest

from cloud.market.desk.residual_days import ResidualDays
from cloud.market.risk import Risk
from cloud.web.track_view import chain_view

LABEL = 20.0
"""Width of a label in percent of the narrowest picture."""


def marks(var_at: float, cvar_at: float) -> list[dict]:
    risk = Risk(50.0, -var_at, -cvar_at, 0.0, 0.95)
    fan = np.zeros((5, 4))
    days = ResidualDays(30, risk, np.array([0.0, 50.0, 100.0]), (1, 1), fan, fan)
    found: list[dict] = chain_view(days, ZoneInfo("UTC"), (0, 1))["hist"]["marks"]
    return found


@pytest.mark.parametrize("cvar_at", range(0, 101, 5))
@pytest.mark.parametrize("nearer_by", [0, 1, 5, 20, 60])
def test_labels_of_var_and_cvar_touch_neither_one_another_nor_a_line(cvar_at: int, nearer_by: int):
    found = marks(min(cvar_at + nearer_by, 100), cvar_at)

    spans = [(m["at"] - LABEL, m["at"]) if m["left"] else (m["at"], m["at"] + LABEL) for m in found]
    assert {mark["label"] for mark in found} == {"VaR", "CVaR"}
    assert all(begin >= 0 and end <= 100 for begin, end in spans)
    for mark, other, span, beside in zip(found, found[::-1], spans, spans[::-1], strict=True):
        if mark["row"] == other["row"]:
            assert span[1] <= beside[0] or beside[1] <= span[0]
        if other["row"] <= mark["row"]:  # its line runs through the row of this label
            assert not span[0] < other["at"] < span[1]
