"""Where the market desk meets the rest of the cloud: limits, exchanges, the station, its meter.

The worker of bids asks `TradingDesk`; `open_exchanges` makes the exchanges that are configured.
"""

from cloud.trading.desk import TradingDesk
from cloud.trading.exchanges import open_exchanges
from cloud.trading.orders import order_schedules

__all__ = ["TradingDesk", "open_exchanges", "order_schedules"]
