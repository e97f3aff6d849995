"""Back-tests: what strategies would have earned, each told only what was known."""

from cloud.market.backtest.measures import Row
from cloud.market.backtest.run import Request, run_backtest
from cloud.market.backtest.strategies import STRATEGIES

__all__ = ["STRATEGIES", "Request", "Row", "run_backtest"]
