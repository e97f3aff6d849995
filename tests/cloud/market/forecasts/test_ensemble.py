import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from cloud.market.errors import BadSeries, TooLittleHistory
from cloud.market.forecasts import Ensemble, History, naive_members
from cloud.market.forecasts.days import DayTable
from cloud.market.forecasts.history import DAY_MS
from cloud.market.forecasts.lear import Lear
from tests.cloud.market.forecasts.sample import actual, part

FIRST = 700
DAYS = 60


def ensemble(**options: object) -> Ensemble:
    members = (*naive_members(), Lear("lear.42", 42))
    given = {"members": members, "allow_short": True, "warm_up_days": 14, **options}
    return Ensemble(**given)


def day_after(history: History) -> int:
    return history.start_ms + DAYS * DAY_MS


def test_a_forecast_says_who_made_it_with_which_weights_and_what_it_knew():
    history = part(FIRST, DAYS, beside=1)
    own = ensemble()
    own.fit(history)

    found = own.forecast(day_after(history), day_after(history) - DAY_MS // 2)

    assert found.start_ms == day_after(history)
    assert found.known_ms == day_after(history) - DAY_MS // 2
    assert found.mean.shape == (24,)
    assert found.quantiles.shape == (24, len(found.levels))
    assert found.version == "ensemble/1"
    assert sum(found.weights.values()) == pytest.approx(1)
    mixed = sum(found.weights[name] * said for name, said in found.members.items())
    np.testing.assert_allclose(found.mean, mixed)
    assert found.flags == ("short history: 60 of 1,095 days",)
    week = np.abs(found.members["naive.week"] - actual(FIRST + DAYS)).mean()
    assert np.abs(found.mean - actual(FIRST + DAYS)).mean() < week


def test_what_comes_later_changes_nothing():
    history = part(FIRST, DAYS + 10)
    later = part(FIRST, DAYS + 10)
    later.price[24 * DAYS :] = 999.0
    found = []

    for one in (history, later):
        own = ensemble()
        own.fit(one)
        found.append(own.forecast(day_after(one), day_after(one)))

    assert (found[0].mean == found[1].mean).all()
    assert (found[0].quantiles == found[1].quantiles).all()


def test_a_price_that_was_not_known_yet_is_not_looked_at():
    history = part(FIRST, DAYS, beside=1)
    known = history.start_ms + np.arange(len(history.price)) * DAY_MS // 24
    own = ensemble()
    own.fit(replace(history, known_ms=known))

    found = own.forecast(day_after(history), int(known[24 * DAYS - 12]))

    assert "price: 11 values missing, filled from the week before" in found.flags
    yesterday = history.price[24 * (DAYS - 1) :][:13]
    assert found.members["naive.day"][:13].tolist() == yesterday.tolist()


def test_a_forecast_of_wind_that_has_changed_changes_the_forecast_of_the_day():
    history, changed = part(FIRST, DAYS, beside=1), part(FIRST, DAYS, beside=1)
    changed.exogenous["renewables_forecast_mw"][24 * DAYS :] *= 2
    own = ensemble(members=(Lear("lear.42", 42),))
    own.fit(history)
    before = own.forecast(day_after(history), day_after(history))
    own.fit(changed)

    after = own.forecast(day_after(history), day_after(history))

    assert after.mean.mean() < before.mean.mean() - 1


def test_a_day_of_23_hours_has_23_prices():
    start = round(dt.datetime(2016, 12, 31, 23, tzinfo=dt.UTC).timestamp() * 1000)
    midnight = round(dt.datetime(2017, 3, 25, 23, tzinfo=dt.UTC).timestamp() * 1000)
    price = part(1096, 84).price
    own = ensemble(members=naive_members())
    own.fit(History(start, 60, price, zone="Europe/Berlin"))

    found = own.forecast(midnight, midnight)

    assert found.mean.shape == (23,)
    assert found.quantiles.shape == (23, len(found.levels))
    yesterday = found.members["naive.day"]
    assert yesterday.tolist() == np.delete(price[-24:], 2).tolist()


def test_a_day_more_of_history_goes_on_from_what_was_learnt():
    longer = part(FIRST, DAYS + 1, beside=1)
    step_by_step, at_once = ensemble(), ensemble(warm_up_days=15)
    step_by_step.fit(part(FIRST, DAYS, beside=1))
    step_by_step.forecast(day_after(longer), day_after(longer))
    step_by_step.fit(longer)
    at_once.fit(longer)
    following = day_after(longer) + DAY_MS

    one = step_by_step.forecast(following, following)
    two = at_once.forecast(following, following)

    np.testing.assert_allclose(one.mean, two.mean)
    np.testing.assert_allclose(one.quantiles, two.quantiles)


def test_less_than_three_years_are_refused_unless_allowed():
    with pytest.raises(TooLittleHistory, match="reaches back 60 days; at least 1095"):
        ensemble(allow_short=False).fit(part(FIRST, DAYS))


def test_a_missing_or_absurd_forecast_beside_the_price_is_replaced_and_said():
    history = part(FIRST, DAYS, beside=1)
    history.exogenous["load_forecast_mw"][24 * DAYS :] = np.nan
    history.exogenous["renewables_forecast_mw"][24 * DAYS + 5] = 1e12
    own = ensemble()
    own.fit(history)

    found = own.forecast(day_after(history), day_after(history))

    assert "load_forecast_mw: 24 values missing, filled from the week before" in found.flags
    assert "renewables_forecast_mw: 1 absurd values, filled from the week before" in found.flags
    assert np.isfinite(found.mean).all()
    assert abs(found.mean.mean() - actual(FIRST + DAYS).mean()) < 15


class _Broken:
    def __init__(self, name: str, says: float | None) -> None:
        self.name, self._says = name, says

    def forecast(self, table: DayTable, row: int) -> np.ndarray:
        if self._says is None:
            raise ValueError("no fit")
        return np.full(table.points, self._says)


def test_a_member_that_fails_or_says_what_cannot_be_gives_way_to_the_week_before():
    history = part(FIRST, DAYS, beside=1)
    own = ensemble(
        members=(
            *naive_members(),
            _Broken("fails", None),
            _Broken("mad", 1e9),
            _Broken("void", np.nan),
        )
    )
    own.fit(history)

    found = own.forecast(day_after(history), day_after(history))

    for name in ("fails", "mad", "void"):
        assert found.members[name].tolist() == found.members["naive.week"].tolist()
        assert any(flag.startswith(f"{name}: ") for flag in found.flags)


def test_a_load_is_forecast_without_a_thought_of_money():
    history = part(FIRST, DAYS)
    load = History(history.start_ms, 60, history.exogenous["load_forecast_mw"])
    own = ensemble(series="load", limits=(0.0, 1e6))
    own.fit(load)

    found = own.forecast(day_after(load), day_after(load))

    assert found.series == "load"
    assert 0.5 < found.mean.mean() / load.price.mean() < 1.5


def test_days_outside_the_history_are_refused():
    own = ensemble()
    with pytest.raises(BadSeries, match="call fit first"):
        own.forecast(0, 0)
    history = part(FIRST, DAYS)
    own.fit(history)

    with pytest.raises(BadSeries, match="not the beginning of a day"):
        own.forecast(day_after(history) + DAY_MS // 24, day_after(history))
    with pytest.raises(BadSeries, match="5 days before it; at least 15"):
        own.forecast(history.start_ms + 5 * DAY_MS, history.start_ms)
