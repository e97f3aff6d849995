from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.market.errors import BadDocument
from cloud.market.exchanges import load_market, read_statement, write_statement
from cloud.market.statement import Item, Line, Statement, total_of
from tests.cloud.market.exchanges.bids import DAY

MONEY = st.integers(-10_000_000, 10_000_000).map(lambda n: n * Decimal("0.01"))
EXACT = st.integers(-10_000_000, 10_000_000).map(lambda n: n * Decimal("0.000001"))


def _statement(name: str, lines: tuple[Line, ...]) -> Statement:
    market = load_market(name)
    return Statement("X-1", name, "s1", DAY, market.currency, lines, total_of(lines))


def _lines(name: str):
    market = load_market(name)
    step = min(one.interval_min for one in market.products)
    starts = market.calendar.intervals_ms(DAY, step)
    return st.lists(
        st.builds(
            Line,
            st.none() | st.sampled_from(starts),
            st.sampled_from(Item),
            st.sampled_from(["", "energy", 'a "quoted", name']),
            EXACT,
            st.sampled_from(["MWh", "MW.h", "MW"]),
            MONEY,
            MONEY,
        ),
        max_size=5,
    ).map(tuple)


@pytest.mark.parametrize("name", ["cn-jiangsu", "au-nem", "europe", "us-ercot", "test-exchange"])
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_a_statement_is_read_back_as_it_was_written(name: str, data):
    market = load_market(name)
    statement = _statement(name, data.draw(_lines(name)))

    assert read_statement(write_statement(statement, market), market) == statement


LINE = Line(None, Item.FEE, "", Decimal(1), "MWh", Decimal("2.50"), Decimal("2.50"))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("total,,,,,2.50", "total,,,,,2.40", "unexplained"),
        ("fee,", "gift,", "'gift' is not known"),
        ("2.50,2.50", "2.50,x", "line 2"),
        ("EUR", "USD", "2 statements|not of"),
        ("X-1,", "X-2,", "2 statements"),
        ("total,,,,,2.50\r\n", "fee,,1,MWh,1,1\r\n", "0 totals"),
    ],
)
def test_a_statement_that_does_not_add_up_or_cannot_be_read_is_refused(
    old: str, new: str, words: str
):
    market = load_market("europe")
    text = write_statement(_statement("europe", (LINE,)), market).decode()
    assert old in text

    with pytest.raises(BadDocument, match=words):
        read_statement(text.replace(old, new, 1).encode(), market)
