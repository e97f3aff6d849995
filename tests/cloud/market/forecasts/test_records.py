import json

import numpy as np
import pytest

from cloud.market.errors import BadSeries
from cloud.market.forecasts import Ensemble, History, as_record, from_record, naive_members
from cloud.market.forecasts.history import DAY_MS
from tests.cloud.market.forecasts.sample import part


def test_a_kept_forecast_comes_back_to_the_last_digit():
    history = part(100, 40)
    own = Ensemble(members=naive_members(), allow_short=True)
    own.fit(history)
    said = own.forecast(history.start_ms + 39 * DAY_MS, history.start_ms + 38 * DAY_MS)

    back = from_record(json.loads(json.dumps(as_record(said))))

    assert back.mean.tobytes() == said.mean.tobytes()
    assert back.quantiles.tobytes() == said.quantiles.tobytes()
    assert back.weights == said.weights
    assert back.flags == said.flags
    assert (back.known_ms, back.version, back.levels) == (said.known_ms, said.version, said.levels)
    assert {name: own.tolist() for name, own in back.members.items()} == {
        name: own.tolist() for name, own in said.members.items()
    }


def test_a_broken_record_is_refused():
    with pytest.raises(BadSeries, match="cannot be read"):
        from_record({"mean": [1.0]})


def test_use_of_regulation_is_forecast_by_the_same_means():
    hours = np.arange(24 * 60)
    use = 0.2 + 0.1 * np.sin(hours * 2 * np.pi / 24)
    own = Ensemble("regulation.up", members=naive_members(), allow_short=True, limits=(0.0, 1.0))
    own.fit(History(0, 60, use))

    found = own.forecast(60 * DAY_MS, 60 * DAY_MS)

    np.testing.assert_allclose(found.mean, use[:24], atol=1e-9)
    assert found.series == "regulation.up"
