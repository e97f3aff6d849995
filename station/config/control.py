"""How the station controls: its loops, its limits, and what to do when nobody decides."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from station.config.section import Section


class ControlConfig(Section):
    """The 1 s loop, the meter feedback and the life of commands."""

    phase_s: float = Field(default=0.5, ge=0, lt=1, description="Second's fraction of a cycle")
    lead_s: float = Field(default=0.15, ge=0, le=5, description="Set-point to meter delay")
    dead_band_pct: float = Field(default=0.1, ge=0, le=5, description="Of converter rating")
    refresh_s: float = Field(default=10, ge=1, description="Repeat an unchanged set-point")
    deliver_within_s: float = Field(default=10, gt=0, description="Else 'not delivered'")
    delivery_tolerance_pct: float = Field(default=3, gt=0, description="Of converter rating")
    feedback_gain: float = Field(default=0.2, ge=0, le=1, description="Share of error a second")
    feedback_max_pct: float = Field(default=10, ge=0, le=50, description="Of station rating")
    min_load_pct: float = Field(default=0, ge=0, le=50, description="Least load of a converter")
    restarts_per_hour: int = Field(default=3, ge=0, description="Of a tripped converter")
    heartbeat_s: float = Field(default=1.0, ge=0, description="To each BMS; 0: none")


class SafeStateConfig(Section):
    """What the station does when nobody has a valid schedule for it."""

    after_s: float = Field(default=60, ge=0, description="Hold the last target this long")
    power_kw: float = Field(default=0, description="Power to fall to, discharge positive")
    ramp_kw_per_s: float = Field(default=200, gt=0, description="How fast to get there")


class LimitsConfig(Section):
    """Margins that protection keeps, on top of what the BMS allows."""

    headroom: float = Field(default=0.02, ge=0, lt=1, description="Kept off each BMS limit")
    unequal_sharing: float = Field(default=0.10, ge=0, description="Racks share unequally")
    conversion_efficiency: float = Field(default=0.97, gt=0, le=1, description="DC to AC")
    soc_taper: float = Field(default=0.01, ge=0, description="SOC over which power fades out")
    cell_voltage_max_v: float = Field(default=3.65, description="No charge above (LFP)")
    cell_voltage_min_v: float = Field(default=2.50, description="No discharge below (LFP)")
    cell_temperature_max_c: float = Field(default=55, description="No power above")
    cell_temperature_min_c: float = Field(default=-20, description="No power below")
    cell_voltage_near_v: float = Field(default=0.15, description="A BMS limit is named after it")
    cell_temperature_near_c: float = Field(default=10, description="Likewise")


class ProtectionConfig(Section):
    """Files that replace the ones shipped with the station; see docs/protection.md."""

    rules: Path | None = Field(default=None, description="Levels and limits (TOML)")
    matrix: Path | None = Field(default=None, description="Causes and effects (TOML)")
    cell_maps: Path | None = Field(default=None, description="C-rates of the cell type (TOML)")


class RegulationConfig(Section):
    """A regulation signal that rides on the schedule."""

    file: Path = Field(description="CSV, one value -1..1 per period, discharge positive")
    capacity_kw: float = Field(gt=0)
    period_s: float = Field(default=4, gt=0)
