"""A person's set-point: it holds until its end or its release."""

from dataclasses import dataclass

from station.dispatch.proposal import Proposal, Source


@dataclass(frozen=True)
class ManualSetpoint:
    """A person's set-point at the meter, kW, until its end (wall clock)."""

    power_kw: float
    until_ms: int
    order_id: str


def propose_manual(manual: ManualSetpoint | None, wall_ms: int) -> Proposal | None:
    """Return the person's wish while it holds."""
    if manual is None or wall_ms >= manual.until_ms:
        return None
    return Proposal.definite(Source.MANUAL, manual.order_id, manual.power_kw)
