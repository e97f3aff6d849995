"""What the dispatch centre reads: the station's view as 16-bit input registers.

Values of two registers have the high word first. What the station does not know, or what a
register cannot hold, is 0x8000 0000 (signed), 0xFFFF FFFF (unsigned) or 0xFFFF (16 bit).
docs/protocols.md has the table.
"""

import math
import struct

from station.centre.port import CentreState, CentreView
from station.centre.requests import STEP, Refusal

SIZE = 26
_FORMAT = ">IiiHHiiIIHHiiHHHH"
_NO_S32 = -0x8000_0000
_NO_U32 = 0xFFFF_FFFF
_NO_U16 = 0xFFFF
_MILLI = 0.001
_SOC_STEP = 0.0001


def view_words(
    view: CentreView | None, *, refusal: Refusal, heartbeat: int, shown: int, lost: bool
) -> list[int]:
    """Return the input registers.

    Args:
        view: the station as it was shown last; None before the first time.
        refusal: of the centre's last write.
        heartbeat: the centre's own, sent back.
        shown: counts the views shown, so that the centre sees whether the station lives.
        lost: the centre's heartbeat has stayed away.
    """
    seen = CentreView(time_ms=0) if view is None else view
    state = CentreState.LOST if lost and seen.state is not CentreState.OFF else seen.state
    raw = struct.pack(
        _FORMAT,
        seen.time_ms // 1000,
        _s32(seen.power_kw, STEP),
        _s32(seen.reactive_kvar, STEP),
        _unsigned(seen.frequency_hz, _MILLI, _NO_U16),
        _unsigned(seen.soc, _SOC_STEP, _NO_U16),
        _s32(seen.low_kw, STEP),
        _s32(seen.high_kw, STEP),
        _unsigned(seen.discharge_kwh, STEP, _NO_U32),
        _unsigned(seen.charge_kwh, STEP, _NO_U32),
        int(seen.remote),
        state,
        _s32(seen.accepted_kw, STEP),
        _s32(seen.accepted_kvar, STEP),
        refusal,
        seen.binding,
        heartbeat,
        shown % (_NO_U16 + 1),
    )
    return list(struct.unpack(f">{SIZE}H", raw))


def _s32(value: float, step: float) -> int:
    if not math.isfinite(value):
        return _NO_S32
    scaled = round(value / step)
    return scaled if _NO_S32 < scaled <= -(_NO_S32 + 1) else _NO_S32


def _unsigned(value: float, step: float, marker: int) -> int:
    if not math.isfinite(value):
        return marker
    scaled = round(value / step)
    return scaled if 0 <= scaled < marker else marker
