"""Forecasts of prices, load and use of regulation: what is believed, how sure, and since when.

`Ensemble` forecasts a day from a `History`; `ResidualChain` follows the real-time price around the
day-ahead price; `regulation_use` makes a regulation signal a series that can be forecast.
"""

from cloud.market.forecast import LEVELS, Forecast
from cloud.market.forecasts.ensemble import Ensemble
from cloud.market.forecasts.history import History
from cloud.market.forecasts.members import Member, all_members, naive_members, quick_members
from cloud.market.forecasts.paths import paths
from cloud.market.forecasts.records import as_record, from_record
from cloud.market.forecasts.regulation import RegulationUse, regulation_use
from cloud.market.forecasts.residual_chain import (
    ResidualChain,
    real_time_forecast,
    real_time_price,
    scaled_residual,
)

__all__ = [
    "LEVELS",
    "Ensemble",
    "Forecast",
    "History",
    "Member",
    "RegulationUse",
    "ResidualChain",
    "all_members",
    "as_record",
    "from_record",
    "naive_members",
    "paths",
    "quick_members",
    "real_time_forecast",
    "real_time_price",
    "regulation_use",
    "scaled_residual",
]
