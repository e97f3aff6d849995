"""A forecast as a JSON object and back, so that a bid can keep what it was made on."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from cloud.market.errors import BadSeries
from cloud.market.forecast import Forecast


def as_record(forecast: Forecast) -> dict[str, Any]:
    """Return a forecast as plain values."""
    return {
        "series": forecast.series,
        "start_ms": forecast.start_ms,
        "step_min": forecast.step_min,
        "known_ms": forecast.known_ms,
        "version": forecast.version,
        "mean": forecast.mean.tolist(),
        "levels": list(forecast.levels),
        "quantiles": forecast.quantiles.tolist(),
        "members": {name: said.tolist() for name, said in forecast.members.items()},
        "weights": dict(forecast.weights),
        "flags": list(forecast.flags),
    }


def from_record(record: Mapping[str, Any]) -> Forecast:
    """Return the forecast that was kept.

    Raises:
        BadSeries: the record is none of a forecast.
    """
    try:
        mean = np.array(record["mean"], np.float64)
        levels = tuple(float(level) for level in record["levels"])
        return Forecast(
            series=str(record["series"]),
            start_ms=int(record["start_ms"]),
            step_min=int(record["step_min"]),
            known_ms=int(record["known_ms"]),
            mean=mean,
            quantiles=np.array(record["quantiles"], np.float64).reshape(len(mean), len(levels)),
            version=str(record["version"]),
            levels=levels,
            members={name: np.array(said, np.float64) for name, said in record["members"].items()},
            weights={name: float(share) for name, share in record["weights"].items()},
            flags=tuple(str(flag) for flag in record["flags"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadSeries(f"the kept forecast cannot be read: {error!r}; make it again") from error
