"""What can be wrong with a bid: codes, and words in both languages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Rule(StrEnum):
    """The rules that a bid is checked against."""

    MARKET = "market"
    INTERVAL = "interval"
    MODE = "mode"
    ROLE = "role"
    STATION_TOO_SMALL = "station_too_small"
    DIRECTION = "direction"
    SEGMENTS = "segments"
    LADDER = "ladder"
    PRICE_MISSING = "price_missing"
    PRICE_GIVEN = "price_given"
    PRICE_FLOOR = "price_floor"
    PRICE_CAP = "price_cap"
    PRICE_STEP = "price_step"
    POWER = "power"
    POWER_STEP = "power_step"
    MIN_POWER = "min_power"
    RATED_POWER = "rated_power"
    SOC_BAND = "soc_band"
    MONOTONE = "monotone"
    CROSSING = "crossing"
    GATE = "gate"
    TRAPEZIUM = "trapezium"
    EXCLUSIVE = "exclusive"
    TOGETHER = "together"
    AMEND = "amend"
    REASON = "reason"


TEXTS: Mapping[Rule, tuple[str, str]] = {
    Rule.MARKET: (
        "the bid is for {given}, these rules are for {wanted}; check it against its own market",
        "申报对应 {given}，而规则属于 {wanted}；请用对应市场的规则校核",
    ),
    Rule.INTERVAL: (
        "{given} begins no {minutes}-minute interval of {day}, or comes twice or out of order",
        "{given} 不是 {day} 的 {minutes} 分钟时段起点，或重复、乱序",
    ),
    Rule.MODE: (
        "offer mode {given} is not open here; choose from {wanted}",
        "申报方式 {given} 不可用；可选 {wanted}",
    ),
    Rule.ROLE: (
        "a station in the role {given} may not offer {product}",
        "以 {given} 身份不能申报 {product}",
    ),
    Rule.STATION_TOO_SMALL: (
        "the station has {mw} MW for {hours} h; the market asks for {min_mw} MW and {min_hours} h",
        "电站为 {mw} MW / {hours} h；市场要求不低于 {min_mw} MW / {min_hours} h",
    ),
    Rule.DIRECTION: (
        "{given} cannot be offered; choose from {wanted}",
        "不能申报 {given}；可选 {wanted}",
    ),
    Rule.SEGMENTS: (
        "{given} segments of {direction}; at most {limit}: merge some",
        "{direction} 申报 {given} 段；最多 {limit} 段，请合并",
    ),
    Rule.LADDER: (
        "the day uses {given} prices for {direction}; at most {limit} for the whole day",
        "{direction} 全天用了 {given} 个价格；全天最多 {limit} 个",
    ),
    Rule.PRICE_MISSING: (
        "a segment names no price, though the mode is {mode}: name one",
        "申报方式为 {mode}，但有一段没有价格，请填写",
    ),
    Rule.PRICE_GIVEN: (
        "a segment names the price {given}, though the mode is {mode}: leave it out",
        "申报方式为 {mode}，不应填写价格 {given}",
    ),
    Rule.PRICE_FLOOR: (
        "price {given} lies below the floor {limit} {unit}",
        "价格 {given} 低于下限 {limit} {unit}",
    ),
    Rule.PRICE_CAP: (
        "price {given} lies above the cap {limit} {unit}",
        "价格 {given} 高于上限 {limit} {unit}",
    ),
    Rule.PRICE_STEP: (
        "price {given} is no multiple of {limit} {unit}",
        "价格 {given} 不是 {limit} {unit} 的整数倍",
    ),
    Rule.POWER: (
        "power {given} MW is not above 0: give a positive power and say the direction",
        "功率 {given} MW 必须大于 0；请填正值并注明方向",
    ),
    Rule.POWER_STEP: (
        "power {given} MW is no multiple of {limit} MW",
        "功率 {given} MW 不是 {limit} MW 的整数倍",
    ),
    Rule.MIN_POWER: (
        "{direction} of {given} MW is less than the {limit} MW that can be offered",
        "{direction} {given} MW 低于最小申报功率 {limit} MW",
    ),
    Rule.RATED_POWER: (
        "{direction} of {given} MW is more than the station's {limit} MW",
        "{direction} {given} MW 超过电站能力 {limit} MW",
    ),
    Rule.SOC_BAND: (
        "{direction} of {given} MW for {hours} h needs {need} MWh of store; there are {limit}",
        "{direction} {given} MW 持续 {hours} h 需要 {need} MWh 储能；电站只有 {limit} MWh",
    ),
    Rule.MONOTONE: (
        "{direction}: price {given} follows {before}; prices must not {fault} along the curve",
        "{direction}：价格 {given} 排在 {before} 之后；相邻段价格方向错误",
    ),
    Rule.CROSSING: (
        "it would charge at up to {charge} and discharge from {discharge}: both at once",
        "充电愿付 {charge}，放电最低 {discharge}：会同时充放",
    ),
    Rule.GATE: (
        "bids were due at {due}; it is {now}",
        "申报截止时间为 {due}；现在是 {now}",
    ),
    Rule.TRAPEZIUM: (
        "trapezium: {problem}",
        "梯形参数：{problem_zh}",
    ),
    Rule.EXCLUSIVE: (
        "{product} and {other} cannot be offered for the same day",
        "{product_zh} 与 {other_zh} 不能在同一天申报",
    ),
    Rule.TOGETHER: (
        "with {other}, {direction} of {given} MW is offered; the station has {limit} MW",
        "与 {other_zh} 合计 {direction} {given} MW；电站只有 {limit} MW",
    ),
    Rule.AMEND: (
        "an amendment may not change that: {problem}",
        "修改不允许：{problem_zh}",
    ),
    Rule.REASON: (
        "an amendment needs a reason that is brief, verifiable and specific: {problem}",
        "修改须附简短、可核实、具体的理由：{problem_zh}",
    ),
}


CHINESE: Mapping[str, str] = {
    "charge": "充电",
    "discharge": "放电",
    "up": "上调",
    "down": "下调",
    "both": "双向",
    "quantity_price": "报量报价",
    "quantity_only": "报量不报价",
    "self_schedule": "自调度",
    "independent": "独立储能",
    "joint": "联合参与",
}
"""Words of the facts, as a Chinese trader reads them; what is not here stays as it is."""


@dataclass(frozen=True, slots=True)
class Said:
    """The same in both languages."""

    en: str
    zh: str

    def facts(self) -> dict[str, str]:
        """Return what the templates of `TEXTS` call `problem`."""
        return {"problem": self.en, "problem_zh": self.zh}


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that a bid breaks.

    Attributes:
        rule: which.
        start_ms: the interval, UTC epoch ms; None: the whole bid.
        segment: index of the segment in its interval; None: the whole interval.
        facts: what the words are made of.
        origin: where the rule is published, or why it is assumed; may be empty.
    """

    rule: Rule
    start_ms: int | None = None
    segment: int | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    origin: str = ""

    def words(self, language: str = "en") -> str:
        """Return the violation as a sentence, in English or (zh) in Chinese."""
        english, chinese = TEXTS[self.rule]
        if not language.startswith("zh"):
            return english.format_map(self.facts)
        return chinese.format_map({key: _chinese(text) for key, text in self.facts.items()})


def _chinese(text: str) -> str:
    return "、".join(CHINESE.get(word, word) for word in text.split(", "))
