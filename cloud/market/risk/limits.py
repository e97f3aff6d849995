"""What a desk may do: limits that block a bid by name, and who is enough to approve it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contract.words import Words

Amount = Annotated[float | None, Field(ge=0)]
_FIGURES: Final = {
    "max_power_mw": ("power_mw", "MW"),
    "max_energy_mwh": ("energy_mwh", "MWh"),
    "max_var": ("var", ""),
    "max_cvar": ("cvar", ""),
    "max_worst": ("worst", ""),
    "max_book_cvar": ("book_cvar", ""),
}


class Enough(StrEnum):
    """Who is enough to approve."""

    RULE = "rule"
    TRADER = "trader"
    HEAD_TRADER = "head_trader"


class Limits(BaseModel):
    """Limits of a desk; None: no such limit. Money in the currency of its markets.

    A limit blocks: what breaks it is not submitted, whoever approves. Below, `rule_*` says up to
    where a rule approves by itself, `trader_*` up to where one trader is enough.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    max_power_mw: Amount = Field(None, description="in any interval and direction of one bid")
    max_energy_mwh: Amount = Field(None, description="sold by one bid")
    max_var: Amount = Field(None, description="VaR of one bid")
    max_cvar: Amount = Field(None, description="CVaR of one bid")
    max_worst: Amount = Field(None, description="loss in the worst scenario of one bid")
    max_book_cvar: Amount = Field(None, description="CVaR of all bids of the desk for a day")
    rule_power_mw: Amount = Field(None, description="None: no rule approves anything")
    rule_cvar: Amount = None
    trader_power_mw: Amount = Field(None, description="None: a head of trading approves all")
    trader_cvar: Amount = None

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        for who in ("rule", "trader"):
            power, cvar = getattr(self, f"{who}_power_mw"), getattr(self, f"{who}_cvar")
            if (power is None) != (cvar is None):
                raise ValueError(f"{who}_power_mw and {who}_cvar go together")
        if self.rule_power_mw is not None and (
            self.trader_power_mw is None
            or self.rule_power_mw > self.trader_power_mw
            or (self.rule_cvar or 0) > (self.trader_cvar or 0)
        ):
            raise ValueError("a rule may not approve more than a trader")
        return self


@dataclass(frozen=True, slots=True)
class Breach:
    """One limit that a bid would break.

    Attributes:
        limit: its name.
        value: of the bid; None: it could not be told.
        most: what the limit allows.
        words: what is allowed and what the bid has.
    """

    limit: str
    value: float | None
    most: float
    words: Words


def breaches(
    figures: Mapping[str, float], limits: Limits, desk: str, currency: str
) -> tuple[Breach, ...]:
    """Return the limits that figures break; a limit whose figure is unknown counts as broken."""
    found = []
    for name, (figure, unit) in _FIGURES.items():
        most: float | None = getattr(limits, name)
        value = figures.get(figure)
        if most is None or (value is not None and value <= most):
            continue
        found.append(Breach(name, value, most, _words(name, desk, value, most, unit or currency)))
    return tuple(found)


def _words(name: str, desk: str, value: float | None, most: float, unit: str) -> Words:
    en = f"limit {name} of desk {desk} is {most:,.6g} {unit}, the bid has "
    zh = f"交易台 {desk} 限额 {name} 为 {most:,.6g} {unit}，申报"
    if value is None:
        return Words(
            f"{en}no such figure: there is no forecast to weigh it with",
            f"{zh}缺少该数值：没有可用于评估的预测",
        )
    return Words(f"{en}{value:,.6g} {unit}", f"{zh}为 {value:,.6g} {unit}")


def approver(figures: Mapping[str, float], limits: Limits) -> Enough:
    """Return who is enough to approve a bid that breaks no limit."""
    for who in (Enough.RULE, Enough.TRADER):
        power, cvar = getattr(limits, f"{who}_power_mw"), getattr(limits, f"{who}_cvar")
        if (
            power is not None
            and "power_mw" in figures
            and "cvar" in figures
            and figures["power_mw"] <= power
            and figures["cvar"] <= cvar
        ):
            return who
    return Enough.HEAD_TRADER
