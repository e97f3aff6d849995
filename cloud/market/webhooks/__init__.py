"""Every step of a bid's life, told to the systems that an installation names."""

from cloud.market.webhooks.given_up import GivenUp, given_up, send_again
from cloud.market.webhooks.message import headers_of, signature
from cloud.market.webhooks.queue import FAILED, failed_stations, hand_over, send_due

__all__ = [
    "FAILED",
    "GivenUp",
    "failed_stations",
    "given_up",
    "hand_over",
    "headers_of",
    "send_again",
    "send_due",
    "signature",
]
