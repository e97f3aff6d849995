"""The record of a decision: who asked for what, what was granted, which limit bit.

It is made for people too: `Step.words` and `Decision.words` tell it in both languages.
"""

import math
from dataclasses import dataclass

from contract.limits import LimitReason
from contract.words import Words
from station.dispatch.proposal import Source


@dataclass(frozen=True)
class Step:
    """What became of one proposal.

    Attributes:
        source, requester: who asked.
        asked_kw: the power it preferred, None when it had no preference.
        asked_low_kw, asked_high_kw: the bounds it insisted on, infinite when none.
        asked_shift_kw: the shift it asked for.
        granted_kw: the power (or shift) it got; None when it asked for none, or was outranked.
        low_kw, high_kw: room that it left to those below it.
        bit: the limit that kept it from what it asked for, None when none did.
        outranked_by: the source that had already decided the power.
    """

    source: Source
    requester: str
    asked_kw: float | None
    asked_low_kw: float
    asked_high_kw: float
    asked_shift_kw: float
    granted_kw: float | None
    low_kw: float
    high_kw: float
    bit: LimitReason | None = None
    outranked_by: Source | None = None

    def words(self) -> Words:
        """Tell the step in one sentence."""
        en, zh = self._asked()
        if self.outranked_by is not None:
            name = self.outranked_by.words
            return Words(f"{en}; {name.en} decides", f"{zh}；由{name.zh}决定")
        if self.granted_kw is not None:
            en = f"{en}; granted {self.granted_kw:.1f} kW"
            zh = f"{zh}；获准 {self.granted_kw:.1f} kW"
        if self.bit is not None:
            en = f"{en}; limited by {self.bit.words.en}"
            zh = f"{zh}；受限于{self.bit.words.zh}"
        return Words(en, zh)

    def _asked(self) -> Words:
        name = self.source.words
        by = f" ({self.requester})" if self.requester else ""
        by_zh = f"（{self.requester}）" if self.requester else ""
        parts, parts_zh = [], []
        if self.asked_kw is not None:
            parts.append(f"asks for {self.asked_kw:.1f} kW")
            parts_zh.append(f"请求 {self.asked_kw:.1f} kW")
        elif not math.isinf(self.asked_low_kw) or not math.isinf(self.asked_high_kw):
            parts.append(f"allows {_span(self.asked_low_kw, self.asked_high_kw)}")
            parts_zh.append(f"允许 {_span(self.asked_low_kw, self.asked_high_kw)}")
        if self.source_shifts:
            parts.append(f"shifts the power by {self.asked_shift_kw:.1f} kW")
            parts_zh.append(f"叠加 {self.asked_shift_kw:.1f} kW")
        asked = ", ".join(parts) or "asks for nothing"
        asked_zh = "，".join(parts_zh) or "无请求"
        return Words(f"{name.en}{by} {asked}", f"{name.zh}{by_zh}{asked_zh}")

    @property
    def source_shifts(self) -> bool:
        """Whether the step is about a shift."""
        return self.asked_shift_kw != 0.0


def _span(low_kw: float, high_kw: float) -> str:
    if math.isinf(low_kw):
        return f"≤ {high_kw:.1f} kW"
    if math.isinf(high_kw):
        return f"≥ {low_kw:.1f} kW"
    return f"{low_kw:.1f} … {high_kw:.1f} kW"


@dataclass(frozen=True)
class Decision:
    """What the station is to do, and why.

    Attributes:
        power_kw: the power at the meter: ``base_kw + shift_kw``, inside the bounds.
        base_kw: the deciding source's part. shift_kw: frequency response on top of it.
        source, requester: who decided the base; `Source.NONE` when nobody asked.
        asked_kw: what the deciding source and the frequency response asked for together.
        binding: the limit that kept the station from `asked_kw`; NONE when none did.
        binding_device: the device that limit comes from, empty for the whole station.
        low_kw, high_kw: what the limits allowed (bounds and limiting sources, no wishes).
        steps: what became of each proposal, highest priority first.
    """

    power_kw: float
    base_kw: float
    shift_kw: float
    source: Source
    requester: str
    asked_kw: float
    binding: LimitReason
    binding_device: str
    low_kw: float
    high_kw: float
    steps: tuple[Step, ...]

    @property
    def asked_shift_kw(self) -> float:
        """What frequency response asked for, as part of `asked_kw`."""
        return math.fsum(step.asked_shift_kw for step in self.steps)

    def words(self) -> Words:
        """Tell the decision in one sentence."""
        name = self.source.words
        by = f" ({self.requester})" if self.requester else ""
        by_zh = f"（{self.requester}）" if self.requester else ""
        en = f"{self.power_kw:.1f} kW by {name.en}{by}"
        zh = f"{self.power_kw:.1f} kW，由{name.zh}{by_zh}决定"
        if self.shift_kw:
            en += f", of which {self.shift_kw:.1f} kW frequency response"
            zh += f"，其中频率响应 {self.shift_kw:.1f} kW"
        if self.binding is not LimitReason.NONE:
            device = f" of {self.binding_device}" if self.binding_device else ""
            device_zh = f"{self.binding_device} " if self.binding_device else ""
            en += f"; asked {self.asked_kw:.1f} kW, limited by {self.binding.words.en}{device}"
            zh += f"；请求 {self.asked_kw:.1f} kW，受限于{device_zh}{self.binding.words.zh}"
        return Words(en, zh)
