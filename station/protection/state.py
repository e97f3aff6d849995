"""What protection remembers from second to second, and what of it survives a restart.

Latches, contactors that protection has opened, searches, the running incident and that people
on site have control are given out as plain JSON and taken back. A damaged list is refused
whole: a station must not start believing that nothing was tripped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any, Self

from contract.words import Words
from station.errors import StationError
from station.protection.actions import Acting, Actings
from station.protection.authority import Authority
from station.protection.cells import CellCourse
from station.protection.early_warning import EarlyState
from station.protection.effects import Key, Part, Since
from station.protection.findings import Judged, Latch, Latches
from station.protection.incident import Incident
from station.protection.insulation_search import Phase, Search, Searches
from station.protection.levels import Level, ResetRule
from station.protection.verdict import Cause, Moment


class LatchError(StationError):
    """Kept latches cannot be read; the plant must be looked at before they are dropped."""


@dataclass(frozen=True, eq=False)
class ProtectionState:
    """Everything remembered.

    Attributes:
        last_ms: station time of the last cycle, None before the first.
        judged: judgement by rule.
        latched: what waits for a reset.
        cells, early: courses of the cells.
        authority: what the panel said last.
        since: when causes began to act.
        actings: actions under way.
        searches: searches for insulation faults, by container.
        incident: the running incident.
        untold: moments of a reset, told in the next cycle.
    """

    last_ms: int | None = None
    judged: Judged = field(default_factory=dict)
    latched: Latches = field(default_factory=dict)
    cells: CellCourse | None = None
    early: EarlyState | None = None
    authority: Authority = field(default_factory=Authority)
    since: Since = field(default_factory=dict)
    actings: Actings = field(default_factory=dict)
    searches: Searches = field(default_factory=dict)
    incident: Incident | None = None
    untold: tuple[Moment, ...] = ()

    def latches(self) -> list[dict[str, Any]]:
        """Return what must survive a restart, as plain JSON."""
        kept = [{"kind": "latch", **_latch_fields(latch)} for latch in self.latched.values()]
        kept += [
            {
                "kind": "opened",
                "device": acting.device,
                "container": acting.container,
                "cause": acting.cause,
                "why": list(acting.why),
            }
            for acting in self.actings.values()
            if acting.part is Part.CONTACTOR and acting.ours
        ]
        kept += [{"kind": "search", **asdict(search)} for search in self.searches.values()]
        if self.incident is not None:
            kept.append({"kind": "incident", **_incident_fields(self.incident)})
        if self.authority.local:
            kept.append({"kind": "authority", "local": True})
        return kept

    @classmethod
    def restore(cls, kept: Sequence[Mapping[str, Any]]) -> Self:
        """Return the state with what `latches` gave before a restart.

        Raises:
            LatchError: an item cannot be read; names it.
        """
        latched: dict[tuple[str, str], Latch] = {}
        actings: dict[Key, Acting] = {}
        searches: dict[str, Search] = {}
        incident, authority = None, Authority()
        for number, item in enumerate(kept):
            fields = {key: value for key, value in item.items() if key != "kind"}
            try:
                match item["kind"]:
                    case "latch":
                        latch = _latch(fields)
                        latched[(latch.rule, latch.device)] = latch
                    case "opened":
                        acting = _opened(fields)
                        actings[(acting.device, acting.part)] = acting
                    case "search":
                        search = _search(fields)
                        searches[search.container] = search
                    case "incident":
                        incident = _incident(fields)
                    case "authority":
                        authority = _authority(fields)
                    case other:
                        raise ValueError(f"no kind {other!r} is known")  # noqa: TRY301 - one place tells which item
            except (KeyError, TypeError, ValueError) as error:
                raise LatchError(
                    f"kept latch {number} cannot be read ({error!r}): look at the plant, then "
                    "remove the item to forget it"
                ) from error
        return cls(
            latched=MappingProxyType(latched),
            actings=actings,
            searches=searches,
            incident=incident,
            authority=authority,
        )


def _latch_fields(latch: Latch) -> dict[str, Any]:
    return {
        **asdict(latch),
        "level": int(latch.level),
        "reset": str(latch.reset),
        "name": list(latch.name),
    }


def _latch(fields: Mapping[str, Any]) -> Latch:
    return Latch(
        **{
            **fields,
            "level": Level(fields["level"]),
            "reset": ResetRule(fields["reset"]),
            "name": _words(fields["name"]),
        }
    )


def _opened(fields: Mapping[str, Any]) -> Acting:
    return Acting(
        device=fields["device"],
        part=Part.CONTACTOR,
        container=fields["container"],
        on=False,
        cause=fields["cause"],
        why=_words(fields["why"]),
        confirm_s=1.0,
        begun_ms=0,
        ours=True,
    )


def _search(fields: Mapping[str, Any]) -> Search:
    return Search(**{**fields, "order": tuple(fields["order"]), "phase": Phase(fields["phase"])})


def _incident_fields(incident: Incident) -> dict[str, Any]:
    causes = [{**asdict(cause), "words": list(cause.words)} for cause in incident.causes]
    return {"begun_ms": incident.begun_ms, "causes": causes, "corrected": incident.corrected}


def _incident(fields: Mapping[str, Any]) -> Incident:
    causes = tuple(
        Cause(**{**cause, "words": _words(cause["words"])}) for cause in fields["causes"]
    )
    if not causes:
        raise ValueError("an incident has a cause")
    return Incident(fields["begun_ms"], causes, fields["corrected"])


def _authority(fields: Mapping[str, Any]) -> Authority:
    if set(fields) != {"local"} or not isinstance(fields["local"], bool):
        raise ValueError("who has control is told as local = true or false")
    return Authority(local=fields["local"])


def _words(pair: Sequence[str]) -> Words:
    en, zh = pair
    return Words(en, zh)
