"""Markets: their rules as files, the check of bids, submission, answers and statements.

A market is a TOML file in `profiles/`; see docs/market-exchanges.md for how one is added.
"""

from cloud.market.exchanges.amendment import check_amendment, reason_problem
from cloud.market.exchanges.answers import Clearing, read_acknowledgement, read_clearing
from cloud.market.exchanges.check import check, check_eligibility, rated_mw
from cloud.market.exchanges.client import ExchangeClient, Patience
from cloud.market.exchanges.drop import FileDrop
from cloud.market.exchanges.everything import check_everything
from cloud.market.exchanges.formats import read as read_bids
from cloud.market.exchanges.formats import write as write_bids
from cloud.market.exchanges.formats.aemo_json import check_unit
from cloud.market.exchanges.gates import Calendar, DayGate, Gate, IntervalGate
from cloud.market.exchanges.market import (
    Eligibility,
    Market,
    Origin,
    Product,
    load_market,
    market_ids,
)
from cloud.market.exchanges.outcomes import (
    Accepted,
    Denied,
    NotThere,
    Outcome,
    PartlyAccepted,
    Pending,
    Refused,
    Rejected,
    Unclear,
    Withdrawn,
)
from cloud.market.exchanges.sending import Document, Party, Rebid, Sending, idempotency_key
from cloud.market.exchanges.statements import read_statement, write_statement
from cloud.market.exchanges.together import check_together
from cloud.market.exchanges.trapezium import available_mw
from cloud.market.exchanges.violations import Rule, Violation
from cloud.market.exchanges.words import Amend, Format, Kind, Role, Stage

__all__ = [
    "Accepted",
    "Amend",
    "Calendar",
    "Clearing",
    "DayGate",
    "Denied",
    "Document",
    "Eligibility",
    "ExchangeClient",
    "FileDrop",
    "Format",
    "Gate",
    "IntervalGate",
    "Kind",
    "Market",
    "NotThere",
    "Origin",
    "Outcome",
    "PartlyAccepted",
    "Party",
    "Patience",
    "Pending",
    "Product",
    "Rebid",
    "Refused",
    "Rejected",
    "Role",
    "Rule",
    "Sending",
    "Stage",
    "Unclear",
    "Violation",
    "Withdrawn",
    "available_mw",
    "check",
    "check_amendment",
    "check_eligibility",
    "check_everything",
    "check_together",
    "check_unit",
    "idempotency_key",
    "load_market",
    "market_ids",
    "rated_mw",
    "read_acknowledgement",
    "read_bids",
    "read_clearing",
    "read_statement",
    "reason_problem",
    "write_bids",
    "write_statement",
]
