"""Why a day's money is not what its awards promised: interval by interval, in words."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from cloud.market.exchanges import Market
from cloud.market.settlement.causes import TOLERANCE_MWH, Decided, cause_of
from cloud.market.settlement.record import DayRecord
from cloud.market.settlement.schemes import scheduled_mwh
from cloud.market.statement import Item, Line
from contract.words import Words


class Course(StrEnum):
    """How what was delivered lies to what was awarded."""

    AS_AWARDED = "as_awarded"
    LESS = "less"
    MORE = "more"
    NOTHING = "nothing"
    OPPOSITE = "opposite"
    UNASKED = "unasked"


_TEXTS: Mapping[Course, tuple[str, str]] = {
    Course.AS_AWARDED: ("delivered as awarded", "按中标执行"),
    Course.LESS: ("delivered less than awarded", "执行少于中标"),
    Course.MORE: ("delivered more than awarded", "执行多于中标"),
    Course.NOTHING: ("delivered nothing of what was awarded", "中标电量完全未执行"),
    Course.OPPOSITE: ("ran against the award", "执行方向与中标相反"),
    Course.UNASKED: ("energy flowed without an award", "无中标而有电量"),
}


@dataclass(frozen=True, slots=True)
class Deviation:
    """One interval.

    Attributes:
        start_ms: UTC epoch.
        minutes: length.
        awarded_mwh, delivered_mwh: to the grid positive.
        cost: what the difference cost; negative: what it brought.
        currency: of the cost.
        course: how they lie to one another.
        cause: what the station's own story says, by language (en, zh); may be empty.
    """

    start_ms: int
    minutes: int
    awarded_mwh: Decimal
    delivered_mwh: Decimal
    cost: Decimal
    currency: str
    course: Course
    cause: Mapping[str, str]

    @property
    def imbalance_mwh(self) -> Decimal:
        """Delivered minus awarded."""
        return self.delivered_mwh - self.awarded_mwh

    def words(self, language: str = "en") -> str:
        """Return the interval as a sentence in English or (zh) in Chinese."""
        chinese = language.startswith("zh")
        said = _TEXTS[self.course][chinese]
        cause = self.cause.get("zh" if chinese else "en", "")
        awarded, delivered = (f"{mwh:.3f}" for mwh in (self.awarded_mwh, self.delivered_mwh))
        rest, money = f"{self.imbalance_mwh:+.3f}", f"{abs(self.cost):.2f} {self.currency}"
        if chinese:
            brought = "成本" if self.cost >= 0 else "收益"
            tail = f"；原因：{cause}" if cause else "；原因未知"
            text = f"中标 {awarded} MWh，实际 {delivered} MWh，偏差 {rest} MWh，{brought} {money}"
            return f"{said}：{text}" + ("" if self.course is Course.AS_AWARDED else tail)
        brought = "cost" if self.cost >= 0 else "brought"
        tail = f"; cause: {cause}" if cause else "; cause not known"
        text = f"awarded {awarded} MWh, delivered {delivered} MWh, {rest} MWh {brought} {money}"
        return f"{said}: {text}" + ("" if self.course is Course.AS_AWARDED else tail)

    @property
    def both_words(self) -> Words:
        """The sentence in both languages."""
        return Words(self.words("en"), self.words("zh"))


def explain(
    record: DayRecord,
    market: Market,
    lines: Iterable[Line],
    causes: Mapping[int, Mapping[str, str]] | None = None,
    decided: Mapping[int, Decided] | None = None,
) -> tuple[Deviation, ...]:
    """Return each metered interval with what was awarded, delivered, and what it cost.

    Args:
        record: the day.
        market: its rules.
        lines: the settled day's.
        causes: what is known from the station, by interval's beginning, in both languages.
        decided: what its controller decided, by interval's beginning.
    """
    costs: dict[int, Decimal] = {}
    for line in lines:
        if line.item in {Item.IMBALANCE, Item.DEVIATION} and line.start_ms is not None:
            costs[line.start_ms] = costs.get(line.start_ms, Decimal(0)) - line.amount
    found = []
    for one in record.readings:
        awarded = scheduled_mwh(record, market, one.start_ms, one.minutes)
        found.append(
            Deviation(
                one.start_ms,
                one.minutes,
                awarded,
                one.energy_mwh,
                costs.get(one.start_ms, Decimal(0)),
                market.currency,
                course_of(awarded, one.energy_mwh),
                _cause(
                    (causes or {}).get(one.start_ms, {}),
                    (decided or {}).get(one.start_ms),
                    (awarded, one.energy_mwh),
                ),
            )
        )
    return tuple(found)


def _cause(
    said: Mapping[str, str], decided: Decided | None, energies: tuple[Decimal, Decimal]
) -> Mapping[str, str]:
    """Return what is said of an interval, and what its controller has decided."""
    found = None if decided is None else cause_of(decided, *energies)
    if found is None:
        return said
    return {
        "en": "; ".join(filter(None, (said.get("en", ""), found.en))),
        "zh": "；".join(filter(None, (said.get("zh", ""), found.zh))),
    }


def course_of(awarded: Decimal, delivered: Decimal) -> Course:
    """Return how what was delivered lies to what was awarded, to the kWh."""
    if abs(delivered - awarded) <= TOLERANCE_MWH:
        return Course.AS_AWARDED
    if abs(awarded) <= TOLERANCE_MWH:
        return Course.UNASKED
    if abs(delivered) <= TOLERANCE_MWH:
        return Course.NOTHING
    if awarded * delivered < 0:
        return Course.OPPOSITE
    return Course.LESS if abs(delivered) < abs(awarded) else Course.MORE
