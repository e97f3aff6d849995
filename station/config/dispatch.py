"""Who may ask for power beside schedule and people, and how power is shared out.

A source whose section is left out does not act.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from station.config.section import Section


class PrimaryFrequencyConfig(Section):
    """Primary frequency response (GB/T 40595); per cents are of the station's rated power."""

    dead_band_hz: float = Field(default=0.05, gt=0, le=0.5, description="No answer within it")
    droop_pct: float = Field(default=2.0, gt=0, le=20, description="Deviation for rated power")
    up_limit_pct: float = Field(default=100.0, ge=0, le=100, description="Most that is added")
    down_limit_pct: float = Field(default=100.0, ge=0, le=100, description="Most taken away")
    soc_low: float = Field(default=0.3, ge=0, le=1, description="Recovery charges below, 0..1")
    soc_high: float = Field(default=0.7, ge=0, le=1, description="Recovery discharges above")
    recovery_pct: float = Field(default=0.0, ge=0, le=20, description="Power of recovery; 0: none")

    @model_validator(mode="after")
    def _band_is_open(self) -> Self:
        if self.soc_low >= self.soc_high:
            raise ValueError(
                f"soc_low must be below soc_high; they are {self.soc_low:g} and {self.soc_high:g}"
            )
        return self


class FastFrequencyConfig(Section):
    """Fast frequency response: full power in one step; the contract sets the figures."""

    low_hz: float = Field(default=49.8, gt=40, lt=60, description="Gives power at and below")
    high_hz: float = Field(default=50.2, gt=40, lt=70, description="Takes power at and above")
    rate_hz_per_s: float | None = Field(default=0.5, gt=0, description="Acts at this slope, too")
    power_pct: float = Field(default=50.0, gt=0, le=100, description="Of rated power")
    hold_s: float = Field(default=10.0, ge=0, description="After the trigger has gone")
    release_pct_per_s: float = Field(default=5.0, gt=0, description="Then let go so fast")

    @model_validator(mode="after")
    def _thresholds_are_in_order(self) -> Self:
        if self.low_hz >= self.high_hz:
            raise ValueError(
                f"low_hz must be below high_hz; they are {self.low_hz:g} and {self.high_hz:g}"
            )
        return self


class ConnectionConfig(Section):
    """What the grid connection bears at the meter, kW; left out: no such limit."""

    peak_kw: float | None = Field(default=None, ge=0, description="Most drawn from the grid")
    feed_in_kw: float | None = Field(default=None, ge=0, description="Most fed into it")
    margin_kw: float = Field(default=0.0, ge=0, description="Kept off both")


class FastLoopConfig(Section):
    """The loop of frequency response and hard limits at the meter."""

    period_s: float = Field(default=0.05, ge=0.02, le=1.0, description="One pass each")
    realtime_priority: int = Field(
        default=10, ge=0, le=99, description="Of the control processes, where allowed; 0: none"
    )
    stale_s: float = Field(default=0.5, gt=0, description="An older frequency counts as unknown")


class HandoverConfig(Section):
    """How the power moves when another source takes over."""

    ramp_pct_per_s: float = Field(default=20.0, gt=0, le=1000, description="Of rated power")


class ReactiveConfig(Section):
    """Voltage and reactive support, kvar positive raise the voltage."""

    mode: Literal["fixed", "power_factor", "curve"] = Field(description="How it is asked for")
    fixed_kvar: float = Field(default=0.0, description="For fixed")
    power_factor: float = Field(default=1.0, ge=0.1, le=1, description="For power_factor")
    injects: bool = Field(default=True, description="The power factor raises the voltage")
    rated_voltage_v: float = Field(default=35_000, gt=0, description="At the meter, line to line")
    active_first: bool = Field(default=True, description="Active power has priority")


class BalancingConfig(Section):
    """Whether an idle station moves energy from its fullest container to its emptiest."""

    allowed: bool = Field(default=False, description="Each kWh pays two conversions")
    idle_s: float = Field(default=600, ge=60, description="Idle so long before it begins")
    start_spread: float = Field(default=0.05, gt=0, le=1, description="Difference of SOC, 0..1")
    stop_spread: float = Field(default=0.01, ge=0, le=1, description="Ends at this difference")
    power_kw: float = Field(default=50, gt=0, description="Power of the transfer")

    @model_validator(mode="after")
    def _ends_below_its_start(self) -> Self:
        if self.stop_spread >= self.start_spread:
            raise ValueError(
                "stop_spread must be below start_spread; they are "
                f"{self.stop_spread:g} and {self.start_spread:g}"
            )
        return self


class SplitConfig(Section):
    """How power is shared out over converters; their losses are parts of the rating."""

    soc_gain: float = Field(default=2.0, ge=0, description="Tilt per unit of SOC above the mean")
    temperature_gain_per_k: float = Field(default=0.02, ge=0, description="Likewise per kelvin")
    sleep_after_s: float | None = Field(
        default=None, ge=10, description="Stop a converter so long without power; none: never"
    )
    loss_fixed: float = Field(
        default=0.003, ge=0, lt=0.1, description="Of a converter without load"
    )
    loss_linear: float = Field(default=0.004, ge=0, lt=0.1, description="Times load")
    loss_square: float = Field(default=0.008, ge=0, lt=0.2, description="Times load squared")
