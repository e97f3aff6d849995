"""Whether the risk of a bid is told rightly, as the desk shows it: text, and places in percent."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from cloud.market.forecast import Floats
from cloud.market.risk import Kupiec, kupiec
from cloud.web import format as form

if TYPE_CHECKING:  # loads scipy, which workers do without until they are asked
    from cloud.market.desk.residual_days import ResidualDays
    from cloud.market.forecasts.kept import Quality

LEAST_BIDS: Final = 20
"""Of so many bids one should lose more than its VaR at 95 %; of fewer nothing can be said."""
LEAST_BAND_DAYS: Final = 7
_BANDS: Final = {"50": ("0.25", "0.75"), "80": ("0.1", "0.9"), "90": ("0.05", "0.95")}
"""Of a forecast, in percent: between which levels they lie."""
_LABEL: Final = 20.0
"""Room that the label of a mark takes, in percent of the narrowest picture."""


def chain_view(found: "ResidualDays", zone: ZoneInfo, span_ms: tuple[int, int]) -> dict[str, Any]:
    """Return what a bid comes to by past misses: figures, histogram, fan."""
    risk = found.risk
    return {
        "days": found.days,
        "expected": form.sum_(risk.expected),
        "var": form.sum_(risk.var),
        "cvar": form.sum_(risk.cvar),
        "hist": _histogram(found.edges, found.counts, risk.var, risk.cvar),
        "fan": _fan(found.fan, found.paths),
        "times": _times(zone, span_ms),
    }


def test_view(pairs: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Return Kupiec's test of settled bids; without enough of them only how many there are."""
    breaches = sum(-earned > var for var, earned in pairs)
    told: dict[str, Any] = {
        "bids": len(pairs),
        "breaches": breaches,
        "least": LEAST_BIDS,
        "enough": len(pairs) >= LEAST_BIDS,
    }
    if not told["enough"]:
        return told
    test: Kupiec = kupiec(breaches, len(pairs))
    return told | {
        "expected": form.number(test.expected, 1),
        "p": form.number(test.p_value, 3),
        "right": test.is_right,
        "most": max(2 * test.expected, breaches, 1.0),
        "wanted": test.expected,
    }


def bands_view(found: "Quality | None") -> dict[str, Any]:
    """Return which share of prices the bands of kept forecasts have held."""
    head = found.scores[0] if found is not None and found.scores else None
    days = len(found.days) if found is not None else 0
    enough = head is not None and head.coverage is not None and days >= LEAST_BAND_DAYS
    below: Mapping[str, float] = (head.coverage or {}) if head is not None and enough else {}
    return {
        "days": days,
        "least": LEAST_BAND_DAYS,
        "rows": [_band(claims, below[high] - below[low]) for claims, (low, high) in _BANDS.items()]
        if below
        else [],
    }


def _band(claims: str, share: float) -> dict[str, Any]:
    wanted = float(claims) / 100
    return {
        "claims": claims,
        "came": form.percent(share),
        "off": form.number((share - wanted) * 100, 1, signed=True),
        "at": share,
        "wanted": wanted,
    }


def _histogram(edges: Floats, counts: Sequence[int], var: float, cvar: float) -> dict[str, Any]:
    low, high = float(edges[0]), float(edges[-1])
    width = high - low or 1.0
    most = max(counts)

    def at(value: float) -> float:
        return round(100 * min(max((value - low) / width, 0.0), 1.0), 2)

    return {
        "bars": [
            {
                "x": at(float(edges[place])),
                "w": round(100 / len(counts), 2),
                "y": round(100 - 80 * count / most, 2),
                "h": round(80 * count / most, 2),
            }
            for place, count in enumerate(counts)
        ],
        "marks": _marks({"VaR": at(-var), "CVaR": at(-cvar)}),
        "low": form.sum_(low),
        "high": form.sum_(high),
    }


def _marks(places: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return two marks with the rows and sides of their labels, as `desk_draw.js` places them.

    No label touches the other one or its line, which begins in the row of its own label.
    """
    (near, low), (far, high) = sorted(places.items(), key=lambda pair: pair[1])
    fits_left, fits_right = low >= _LABEL, high <= 100 - _LABEL
    if fits_left and fits_right:
        rows, left = (0, 0), (True, False)
    elif fits_left:
        rows, left = (1, 0), (True, True)
    else:
        rows, left = (0, 1), (False, not fits_right)
    return [
        {"label": label, "at": at, "row": row, "left": side}
        for label, at, row, side in zip((near, far), (low, high), rows, left, strict=True)
    ]


def _fan(fan: Floats, paths: Floats) -> dict[str, Any]:
    low = float(min(fan.min(), paths.min()))
    high = float(max(fan.max(), paths.max()))
    width = high - low or 1.0

    def line(values: Floats) -> list[str]:
        count = len(values)
        found = []
        for place, value in enumerate(values.tolist()):
            y = 100 * (high - value) / width
            found += [
                f"{100 * place / count:.2f},{y:.2f}",
                f"{100 * (place + 1) / count:.2f},{y:.2f}",
            ]
        return found

    def band(lower: Floats, upper: Floats) -> str:
        return " ".join([*line(upper), *reversed(line(lower))])

    return {
        "wide": band(fan[0], fan[4]),
        "narrow": band(fan[1], fan[3]),
        "median": " ".join(line(fan[2])),
        "paths": [" ".join(line(one)) for one in paths],
        "low": form.number(low, 0),
        "high": form.number(high, 0),
    }


def _times(zone: ZoneInfo, span_ms: tuple[int, int]) -> list[str]:
    """Return the times below the fan: its beginning, its middle, its end."""
    begin, end = span_ms
    clocks = [form.clock(at, zone)[:5] for at in (begin, (begin + end) // 2, end)]
    whole_day = clocks[0] == clocks[2] == "00:00"
    return [*clocks[:2], "24:00" if whole_day else clocks[2]]
