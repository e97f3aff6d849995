"""Prices that an exchange publishes, kept as series: our own settlement is made with them."""

import datetime as dt
from collections.abc import Mapping
from typing import Final

from cloud.db import Pool
from cloud.market import prices
from cloud.market.exchanges import Denied, Kind, Market, Stage, Unclear
from cloud.market.exchanges.client import ExchangeClient
from cloud.market.prices import Row, Series

IMBALANCE: Final = "imbalance"
_KINDS: Final = {
    Stage.DAY_AHEAD: prices.Kind.DAY_AHEAD,
    Stage.INTRADAY: prices.Kind.INTRADAY,
    Stage.REAL_TIME: prices.Kind.REAL_TIME,
}


class PublishedPrices:
    """Keeps what one exchange publishes of the prices that our settlement takes.

    Args:
        pool: the store.
        market: the exchange's rules.
        series: id of the series by the name of the price: "imbalance", or a product's id.
    """

    def __init__(self, pool: Pool, market: Market, series: Mapping[str, str]) -> None:
        self._pool, self._market, self._series = pool, market, series

    async def keep(self, client: ExchangeClient, day: dt.date, now_ms: int) -> str:
        """Keep what is published of a day and not known yet, or corrected since.

        Returns:
            What went wrong, or nothing.

        Raises:
            BadSeries: a series of this id holds something else.
        """
        for name, series in self._series.items():
            told = await client.prices(self._market.id, name, day)
            if isinstance(told, Denied | Unclear):
                return f"prices of {name}: {told}"
            known = await self._known(series, day, now_ms)
            rows = [
                Row(start, float(price), now_ms)
                for start, price in told
                if known.get(start) != float(price)
            ]
            if rows:
                report = await prices.import_rows(
                    *(self._pool, self._of(name, series), rows),
                    source=f"published by {self._market.id}",
                    now_ms=now_ms,
                    accept=prices.ACCEPTABLE,
                )
                if report.refused:
                    return f"prices of {name}: {' '.join(report.lines())}"
        return ""

    async def _known(self, series: str, day: dt.date, now_ms: int) -> dict[int, float]:
        """Return the prices that are kept of a day, by their beginning."""
        if not any(one.series.id == series for one in await prices.list_series(self._pool)):
            return {}
        bounds = self._market.calendar.day_bounds_ms(day)
        read = await prices.read(self._pool, series, *bounds, now_ms)
        return dict(zip(read.start_ms.tolist(), read.value.tolist(), strict=True))

    def _of(self, name: str, series: str) -> Series:
        market = self._market
        if name == IMBALANCE:
            kind, per = prices.Kind.REAL_TIME, "MWh"
            step_min = min(one.interval_min for one in market.products)
        else:
            product = market.product(name)
            held = product.kind in {Kind.REGULATION, Kind.RESERVE}
            kind = prices.Kind.CAPACITY if held else _KINDS[product.stage]
            per, step_min = "MW" if held else "MWh", product.interval_min
        unit = f"{market.currency}/{per}"
        return Series(series, kind, unit, market.id, market.calendar.zone, step_min)
