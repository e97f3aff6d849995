"""How strictly new models of the estimators are tried, and how much room they may take."""

from __future__ import annotations

from pydantic import Field

from station.config.section import Section


class ModelsConfig(Section):
    """Models that come by order (docs/models.md)."""

    quota_mb: int = Field(
        default=256, ge=64, le=65_536, description="All models together take so much of the disk"
    )
    probation_s: int = Field(
        default=86_400, ge=60, le=90 * 86_400, description="A new one is watched so long"
    )
    worse_by: float = Field(
        default=0.15, gt=0, le=2, description="Innovations may be larger by this share"
    )
    tick_most_s: float = Field(
        default=0.25, gt=0, le=1, description="Computing time of one second's estimates"
    )
    memory_most_mb: int = Field(
        default=1024, ge=64, le=65_536, description="Memory of the estimator process"
    )
