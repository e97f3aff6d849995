"""Models of estimators as the page shows them: who answers for each, and where it stands."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo

from cloud.access import Action, Resource, authorize
from cloud.fleet.models import Deployment, DeploymentState, ModelSeen
from cloud.web import format as form
from cloud.web.language import Words
from cloud.web.look import StationLook
from cloud.web.visit import Visit, digest

URL: Final = "/fragments/models"
_SHORT_HASH: Final = 12
_ENDED: Final = (
    DeploymentState.ROLLED_BACK,
    DeploymentState.FAILED,
    DeploymentState.REFUSED,
    DeploymentState.EXPIRED,
)
_ON_TRIAL: Final = (DeploymentState.SHADOW, DeploymentState.PROMOTED)
_RETURNABLE: Final = (
    DeploymentState.ACCEPTED,
    DeploymentState.SHADOW,
    DeploymentState.PROMOTED,
    DeploymentState.CONFIRMED,
)


def table(
    visit: Visit,
    looks: Sequence[StationLook],
    models: Sequence[ModelSeen],
    placed: Sequence[Deployment],
    zone: ZoneInfo,
) -> dict[str, Any]:
    """All models, each with what has become of it at the stations."""
    titles = {look.station.id: look.station.title(visit.language) for look in looks}
    rows = [
        _row(visit, model, [one for one in placed if one.sha256 == model.sha256], titles, zone)
        for model in models
    ]
    return {"rows": rows, "url": URL, "digest": digest(rows)}


def rights(visit: Visit) -> dict[str, bool]:
    """What the reader may do with models."""
    actions = {
        "upload": Action.UPLOAD_MODEL,
        "approve": Action.APPROVE_MODEL,
        "deploy": Action.DEPLOY_MODEL,
    }
    user = visit.session.user
    return {
        name: authorize(user, action, Resource("model")).allowed for name, action in actions.items()
    }


def _row(
    visit: Visit,
    model: ModelSeen,
    placed: Sequence[Deployment],
    titles: Mapping[str, str],
    zone: ZoneInfo,
) -> dict[str, Any]:
    return {
        "sha256": model.sha256,
        "short": model.sha256[:_SHORT_HASH],
        "title": model.title,
        "note": model.note,
        "make": model.make,
        "created": form.date(model.created.isoformat()),
        "size": form.number(model.size / 1024, 0),
        "uploaded_by": model.uploaded_by,
        "uploaded": _moment(model.uploaded_at, zone),
        "approved_by": model.approved_by or "",
        "approved": _moment(model.approved_at, zone),
        "approval_note": model.approval_note,
        "withdrawn_by": model.withdrawn_by or "",
        "withdrawn_why": model.withdrawn_why,
        "deployable": model.deployable,
        "own": model.uploaded_by == visit.session.user.name,
        "places": [_place(visit, one, titles, zone) for one in placed],
    }


def _place(
    visit: Visit, one: Deployment, titles: Mapping[str, str], zone: ZoneInfo
) -> dict[str, Any]:
    since = dt.datetime.fromtimestamp(one.since_ms / 1e3, dt.UTC)
    return {
        "station": one.station,
        "title": titles.get(one.station, one.station),
        "state": one.state.value,
        "words": state_words(visit.t, one.state),
        "since": _moment(since, zone),
        "why": one.why.text(visit.language),
        "ended": one.state in _ENDED,
        "promotable": one.state in _ON_TRIAL,
        "returnable": one.state in _RETURNABLE,
    }


def state_words(t: Words, state: DeploymentState) -> str:
    """Where a model stands, in words."""
    return {
        DeploymentState.SENT: t("sent, no receipt yet"),
        DeploymentState.EXPIRED: t("expired without receipt"),
        DeploymentState.ACCEPTED: t("on its way to the station"),
        DeploymentState.REFUSED: t("refused"),
        DeploymentState.FAILED: t("failed"),
        DeploymentState.SHADOW: t("in shadow"),
        DeploymentState.PROMOTED: t("in force, on probation"),
        DeploymentState.CONFIRMED: t("in force, proved"),
        DeploymentState.ROLLED_BACK: t("rolled back"),
    }[state]


def _moment(at: dt.datetime | None, zone: ZoneInfo) -> str:
    if at is None:
        return ""
    at_ms = round(at.timestamp() * 1e3)
    return f"{form.day(at_ms, zone)} {form.clock(at_ms, zone)}"
