"""Quality of forecasts as the page shows it."""

from typing import TYPE_CHECKING, Any, Final

from cloud.market.exchanges import load_market
from cloud.web import format as form
from cloud.web.desk_words import market_name
from cloud.web.visit import Visit

if TYPE_CHECKING:
    from cloud.market.forecasts.kept import Quality

_SHOWN_DAYS: Final = 31


def view(visit: Visit, station: str, market: str, found: "Quality") -> dict[str, Any]:
    """The forecasts of one station's market."""
    names = {name: None for _, weights in found.weights for name in weights}
    worst = max((error for _, error in found.daily), default=1.0) or 1.0
    head = found.scores[0] if found.scores else None
    return {
        "station": station,
        "market": market_name(visit.language, load_market(market)),
        "days": len(found.days),
        "left_out": found.left_out,
        "late": found.late,
        "head": None if head is None else _score(visit, head),
        "scores": [_score(visit, one) for one in found.scores],
        "coverage": [
            {
                "level": form.percent(float(level)),
                "share": form.percent(share),
                "off": form.number((share - float(level)) * 100, 1, signed=True),
                "at": share,
                "wanted": float(level),
            }
            for level, share in ((head.coverage or {}) if head else {}).items()
        ],
        "members": list(names),
        "weights": [
            {
                "day": form.date(day.isoformat()),
                "shares": [form.percent(weights.get(name)) for name in names],
            }
            for day, weights in found.weights[-_SHOWN_DAYS:]
        ],
        "daily": [
            {
                "day": form.date(day.isoformat()),
                "mae": form.number(error, 2),
                "w": f"{100 * error / worst:.2f}%",
            }
            for day, error in found.daily[-_SHOWN_DAYS:]
        ],
    }


def _score(visit: Visit, one: Any) -> dict[str, str]:
    return {
        "member": visit.t("ensemble") if one.member == "ensemble" else one.member,
        "mae": form.number(one.mae, 2),
        "rmae": form.number(one.rmae, 3),
        "pinball": form.number(one.pinball, 2),
        "capture": form.percent(one.capture),
    }
