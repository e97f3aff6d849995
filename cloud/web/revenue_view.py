"""Revenue as the page shows it: figures as text, bars in percent of their scale."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from cloud.market.exchanges import load_market
from cloud.market.money import Annual, Ledger, StationDay
from cloud.market.settlement import Investment
from cloud.web import format as form
from cloud.web.desk_words import market_name, money_unit
from cloud.web.language import Words
from cloud.web.visit import Visit

_NO_HOUR: Final = -1


def view(visit: Visit, book: Ledger, year: Annual | None, asked: Investment) -> dict[str, Any]:
    """All of one currency."""
    compared = book.compared
    return {
        "currency": money_unit(visit.language, book.currency),
        "total": money(book.total),
        "wear": money(book.wear),
        "net": money(book.net),
        "days": len(book.by_day),
        "charged": form.number(float(book.charged_mwh), 3),
        "discharged": form.number(float(book.discharged_mwh), 3),
        **_lost(visit.t, book),
        "waterfall": _waterfall(visit.t, book),
        "markets": _bars({_market(visit, name): sum_ for name, sum_ in book.by_market.items()}),
        "by_item": _bars({_item(visit.t, item.value): sum_ for item, sum_ in book.by_item.items()}),
        "stations": _bars(dict(book.by_station)),
        "hours": _bars({_hour(visit.t, hour): sum_ for hour, sum_ in book.by_hour.items()}),
        "compared_days": book.compared_days,
        "compared": None
        if compared is None
        else _bars(
            {
                visit.t("perfect foresight"): compared.perfect,
                visit.t("plan"): compared.plan,
                visit.t("actual"): compared.actual,
            }
        ),
        "share": None if compared is None else form.percent(compared.share_of_perfect),
        "foresight": None if compared is None else money(compared.foresight, signed=True),
        "execution": None if compared is None else money(compared.execution, signed=True),
        "roi": None if year is None else _roi(year),
        "other_currency": money_unit(visit.language, asked.currency) if year is None else "",
        "reference": {
            "years": form.number(float(asked.reference_years), 1),
            "initial": form.number(float(asked.initial), 0),
            "yearly": form.number(float(asked.yearly), 0),
            "currency": money_unit(visit.language, asked.currency),
        },
        "var": _var(book),
        "rows": [_day(visit, one) for one in reversed(book.days)],
    }


def _lost(t: Words, book: Ledger) -> dict[str, str]:
    """Losses; while more was discharged than charged they cannot be told apart from the store."""
    if book.lost_mwh < 0:
        more = form.number(float(-book.lost_mwh), 3)
        words = t("{mwh} MWh more out than in: the store ended emptier", mwh=more)
        return {"lost": form.NO_VALUE, "lost_words": words}
    cost = t(
        "cost {amount} {currency}",
        amount=money(book.lost_money),
        currency=money_unit(t.language, book.currency),
    )
    return {"lost": form.number(float(book.lost_mwh), 3), "lost_words": cost}


def money(amount: Decimal | None, *, signed: bool = False) -> str:
    """An amount to the cent."""
    return form.number(None if amount is None else float(amount), 2, signed=signed)


def _waterfall(t: Words, book: Ledger) -> list[dict[str, Any]]:
    """The steps as bars that begin where the one before ended, and what was paid from zero."""
    names = {
        "plan": t("plan"),
        "price": t("price"),
        "quantity": t("quantity"),
        "imbalance": t("imbalance"),
        "outside": t("imbalance outside the time of bids"),
        "fees": t("fees"),
        "other": t("contracts, mileage, rounding"),
    }
    spans, at = [], Decimal(0)
    for name, amount in book.waterfall.steps:
        spans.append((names[name], amount, at, at + amount, name == "plan"))
        at += amount
    spans.append((t("paid"), book.waterfall.actual, Decimal(0), at, True))
    ends = [Decimal(0), *(end for span in spans for end in span[2:4])]
    low, high = min(ends), max(ends)
    return [
        {
            "name": name,
            "amount": money(amount, signed=not whole),
            "whole": whole,
            **_place(min(begin, end), max(begin, end), low, high),
        }
        for name, amount, begin, end, whole in spans
    ]


def _bars(amounts: Mapping[str, Decimal]) -> list[dict[str, Any]]:
    low, high = min([Decimal(0), *amounts.values()]), max([Decimal(0), *amounts.values()])
    return [
        {
            "name": name,
            "amount": money(amount),
            **_place(min(amount, Decimal(0)), max(amount, Decimal(0)), low, high),
        }
        for name, amount in amounts.items()
    ]


def _place(begin: Decimal, end: Decimal, low: Decimal, high: Decimal) -> dict[str, str]:
    """Where a bar lies on a scale from low to high, in percent, and where its zero is."""
    width = float(high - low) or 1.0
    return {
        "x": f"{100 * float(begin - low) / width:.2f}%",
        "w": f"{100 * float(end - begin) / width:.2f}%",
        "zero": f"{100 * float(-low) / width:.2f}%",
    }


def _roi(year: Annual) -> dict[str, Any]:
    asked, expected = year.investment, year.expected
    ends = [None if one is None else one.years for one in (year.early, year.late)]
    known = [float(one) for one in (*ends, expected.years) if one is not None]
    most = max([2 * float(asked.reference_years), *known])
    return {
        "days": year.days,
        "yearly": form.number(float(year.yearly), 0),
        "half": None if year.half_width is None else form.number(float(year.half_width), 0),
        "years": None if expected.years is None else form.number(float(expected.years), 1),
        "early": None if ends[0] is None else form.number(float(ends[0]), 1),
        "late": None if ends[1] is None else form.number(float(ends[1]), 1),
        "reference": form.number(float(asked.reference_years), 1),
        "in_time": expected.in_time,
        "initial": form.number(float(asked.initial), 0),
        "yearly_cost": form.number(float(asked.yearly), 0),
        "needed": form.number(float(expected.needed_yearly), 0),
        "roi": form.percent(float(expected.roi)),
        "at": None if expected.years is None else float(expected.years),
        "band": None if None in ends else [float(one) for one in ends if one is not None],
        "line": float(asked.reference_years),
        "most": most,
        "course": [(number, form.number(float(sum_), 0)) for number, sum_ in expected.course],
    }


def _var(book: Ledger) -> dict[str, Any] | None:
    test = book.var_test
    if test is None:
        return None
    return {
        "bids": test.days,
        "breaches": test.breaches,
        "expected": form.number(test.expected, 1),
        "p": form.number(test.p_value, 3),
        "right": test.is_right,
    }


def _day(visit: Visit, one: StationDay) -> dict[str, Any]:
    told = one.statement
    return {
        "day": form.date(told.day.isoformat()),
        "station": told.station,
        "market": _market(visit, told.market),
        "plan": money(one.waterfall.of("plan")),
        "actual": money(told.total),
        "wear": money(told.total - one.net),
        "net": money(one.net),
        "perfect": money(one.perfect),
        "ours": money(one.ours),
        "differs": one.differs,
    }


def _market(visit: Visit, name: str) -> str:
    return market_name(visit.language, load_market(name))


def _hour(t: Words, hour: int) -> str:
    return t("of no hour") if hour == _NO_HOUR else f"{hour:02d}:00"


def _item(t: Words, item: str) -> str:
    return {
        "energy": t("energy"),
        "imbalance": t("imbalance"),
        "deviation": t("charge on deviation"),
        "contract": t("contract"),
        "capacity": t("power held ready"),
        "mileage": t("regulation mileage"),
        "fee": t("fees"),
    }[item]
