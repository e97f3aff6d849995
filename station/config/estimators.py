"""The estimators of every cell; left out, the station works without any."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from station.config.section import Section


class MakeConfig(Section):
    """Racks whose cells are of another make than the rest."""

    racks: tuple[str, ...] = Field(min_length=1, description="Tags of the racks")
    bundle: Path = Field(description="Folder of the model of their cells")
    parallel: int = Field(default=1, ge=1, description="Cells side by side at each place")
    health_curves: Path | None = Field(
        default=None, description="Of this make; else those of the section"
    )


class EstimatorsConfig(Section):
    """What estimates SOC, SOH and energy of every cell (docs/estimators.md)."""

    bundle: Path = Field(description="Folder of the model of the cells")
    parallel: int = Field(default=1, ge=1, description="Cells side by side at each place of a rack")
    confidence: float = Field(
        default=0.9, ge=0.5, lt=1, description="With which energy is promised"
    )
    state_period_s: float = Field(
        default=60.0, ge=1, le=3600, description="The state is kept on the disk so often"
    )
    cells_period_s: float = Field(
        default=10.0, ge=1, le=3600, description="Estimates of single cells are told so often"
    )
    silence_s: float = Field(
        default=10.0, ge=2, le=600, description="So long without a sign of life, and it is replaced"
    )
    health_curves: Path | None = Field(
        default=None, description="Current over health of cells (TOML); none: health slows nothing"
    )
    health_limits: bool = Field(
        default=True, description="Whether they bind; false: they are told and bind nothing"
    )
    makes: tuple[MakeConfig, ...] = Field(
        default=(), description="Racks whose cells are of other makes"
    )
