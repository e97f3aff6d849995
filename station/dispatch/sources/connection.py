"""Peak limit and feed-in limit at the meter of the grid connection.

The meter sees the station and everything else behind the connection (loads, generation). What
is not the station's own is the meter less the station's power; the limits at the meter become
bounds of the station's power. When the meter is silent, the last rest is trusted for a short
time; after that the station neither charges (peak limit) nor discharges (feed-in limit),
because what it would add to the meter cannot be known.
"""

import math
from dataclasses import dataclass

from contract.limits import LimitReason
from station.dispatch.proposal import Proposal, Source


@dataclass(frozen=True)
class ConnectionSettings:
    """What the connection bears, kW; None: no such limit.

    Attributes:
        peak_kw: most that may be drawn from the grid.
        feed_in_kw: most that may be fed into it.
        margin_kw: kept off both: the meter's error and the load's noise.
        trust_s: how long the last rest is trusted when the meter is silent.
    """

    peak_kw: float | None = None
    feed_in_kw: float | None = None
    margin_kw: float = 0.0
    trust_s: float = 5.0


@dataclass(frozen=True)
class ConnectionMemory:
    """Power of everything else behind the meter, and when it was last known (steady ms)."""

    rest_kw: float = math.nan
    known_ms: int = 0


@dataclass(frozen=True)
class ConnectionInputs:
    """Powers of one moment, kW, feed-in and discharge positive; NaN: not known.

    Attributes:
        meter_kw: at the connection. own_kw: the station's part of it.
        device: tag of the meter.
    """

    meter_kw: float
    own_kw: float
    device: str = ""


def propose_connection(
    settings: ConnectionSettings,
    memory: ConnectionMemory,
    inputs: ConnectionInputs,
    now_ms: int,
) -> tuple[tuple[Proposal, ...], ConnectionMemory]:
    """Return the bounds that peak limit and feed-in limit set to the station's power."""
    rest_kw = inputs.meter_kw - inputs.own_kw
    if math.isfinite(rest_kw):
        memory = ConnectionMemory(rest_kw, now_ms)
    known = math.isfinite(memory.rest_kw) and now_ms - memory.known_ms <= settings.trust_s * 1000
    found = []
    if settings.peak_kw is not None:
        low_kw = settings.margin_kw - settings.peak_kw - memory.rest_kw if known else 0.0
        found.append(
            Proposal(Source.PEAK_LIMIT, inputs.device, low_kw=low_kw, reason=LimitReason.PEAK_LIMIT)
        )
    if settings.feed_in_kw is not None:
        high_kw = settings.feed_in_kw - settings.margin_kw - memory.rest_kw if known else 0.0
        found.append(
            Proposal(
                Source.FEED_IN_LIMIT,
                inputs.device,
                high_kw=high_kw,
                reason=LimitReason.FEED_IN_LIMIT,
            )
        )
    return tuple(found), memory
