"""Orders and receipts as pages show them: what was asked, when, and what the station answered."""

import datetime as dt
from typing import Any

from cloud.fleet import OrderSeen, Station
from cloud.fleet.schedule_check import fingerprint
from cloud.web import format as form
from cloud.web.language import Words
from cloud.web.visit import Visit, digest
from contract.model_order import ModelAction
from contract.orders import REASONS, OrderKind

_GOOD = ("accepted", "executed", "superseded")


def panel(visit: Visit, station: Station, orders: list[OrderSeen]) -> dict[str, Any]:
    """The newest orders of a station."""
    rows = [_row(visit, station, order) for order in orders]
    return {
        "rows": rows,
        "url": f"/fragments/stations/{station.id}/orders",
        "digest": digest(rows),
    }


def _row(visit: Visit, station: Station, order: OrderSeen) -> dict[str, Any]:
    state = order.receipt.outcome if order.receipt else _unanswered(order, visit.now_ms)
    return {
        "id": order.id,
        "state": state,
        "state_words": _state_words(visit.t, state),
        "refused": state in ("refused", "failed"),
        "time": _moment(order.issued_ms, station, visit.now_ms),
        "issued_utc": dt.datetime.fromtimestamp(order.issued_ms / 1e3, dt.UTC).isoformat(
            timespec="seconds"
        ),
        "title": _title(visit.t, order),
        "detail": _detail(visit, station, order),
    }


def _unanswered(order: OrderSeen, now_ms: int) -> str:
    return "expired" if now_ms > order.expires_ms else "waiting"


def _state_words(t: Words, state: str) -> str:
    words = {
        "waiting": t("waiting for the receipt"),
        "expired": t("expired without receipt"),
        "accepted": t("accepted"),
        "executed": t("executed"),
        "superseded": t("superseded"),
        "refused": t("refused"),
        "failed": t("failed"),
    }
    return words.get(state, state)


def _title(t: Words, order: OrderSeen) -> str:
    if order.kind == OrderKind.SCHEDULE and not order.damaged:
        return t("Schedule of {date}", date=form.date(order.payload["date"]))
    if order.kind == OrderKind.MODEL and not order.damaged:
        asked = order.payload
        model = f"{asked['name']} v{asked['version']}"
        return t("Model {model}: {act}", model=model, act=_act_words(t, asked["action"]))
    return t("Order {kind}", kind=order.kind)


def _act_words(t: Words, action: str) -> str:
    words = {
        ModelAction.DEPLOY: t("Send"),
        ModelAction.PROMOTE: t("Put in force"),
        ModelAction.ROLLBACK: t("Take back"),
    }
    return words[ModelAction(action)]


def _detail(visit: Visit, station: Station, order: OrderSeen) -> str:
    parts = [visit.t("No {counter} by {user}", counter=order.counter, user=order.created_by)]
    if order.damaged:
        parts.append(visit.t("damaged in the store"))
    elif order.kind == OrderKind.SCHEDULE:
        mark = fingerprint(station.id, order.payload["date"], order.payload["power_kw"])
        parts.append(" ".join(mark[i : i + 4] for i in range(0, len(mark), 4)))
    if order.receipt is not None:
        delay_s = (order.receipt.at_ms - order.issued_ms) / 1e3
        parts.append(
            visit.t("receipt after {seconds} s", seconds=form.number(max(0.0, delay_s), 2))
        )
        if order.receipt.outcome not in _GOOD:
            known = REASONS.get(order.receipt.reason_code)
            parts.append(known.text(visit.language) if known else order.receipt.reason)
    return " · ".join(parts)


def _moment(at_ms: int, station: Station, now_ms: int) -> str:
    """Time of day; the date instead, where the order is of another day."""
    if form.day(at_ms, station.zone) == form.day(now_ms, station.zone):
        return form.clock(at_ms, station.zone)
    return form.day(at_ms, station.zone)[5:]
