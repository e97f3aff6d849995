"""Prices and what drives them: for which interval, and known since when."""

from cloud.market.prices.files import Layout
from cloud.market.prices.findings import ACCEPTABLE, Code, Finding, Report
from cloud.market.prices.importing import Row, import_file, import_rows
from cloud.market.prices.publication import Publication
from cloud.market.prices.series import Kind, Series
from cloud.market.prices.store import Kept, define, find, forget, list_series, read
from cloud.market.prices.table import Reading

__all__ = [
    "ACCEPTABLE",
    "Code",
    "Finding",
    "Kept",
    "Kind",
    "Layout",
    "Publication",
    "Reading",
    "Report",
    "Row",
    "Series",
    "define",
    "find",
    "forget",
    "import_file",
    "import_rows",
    "list_series",
    "read",
]
