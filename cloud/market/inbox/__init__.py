"""Bids from other systems by signed files: each taken once, each answered with a receipt."""

from cloud.market.inbox.again import RefusedFile, refused_files, take_again
from cloud.market.inbox.file import BadFile, OfferedBid, read_offer, verify
from cloud.market.inbox.taking import Inbox, Judged

__all__ = [
    "BadFile",
    "Inbox",
    "Judged",
    "OfferedBid",
    "RefusedFile",
    "read_offer",
    "refused_files",
    "take_again",
    "verify",
]
