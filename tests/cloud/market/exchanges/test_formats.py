import dataclasses
import datetime as dt
import json
import re
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.market.bid import BidInterval, BidSet, Direction, OfferMode, Segment, Trapezium
from cloud.market.errors import BadDocument, MarketError
from cloud.market.exchanges import (
    Format,
    Party,
    Rebid,
    Rule,
    Sending,
    check_unit,
    idempotency_key,
    load_market,
    read_bids,
    write_bids,
)
from tests.cloud.market.exchanges.bids import BOTH_WAYS, CHARGE, DISCHARGE, bid, segment

KEY = idempotency_key("bid-7", 1)
SENDING = Sending(key=KEY, created_ms=1_773_000_000_000)
PARTY = Party(
    participant="10XDESK-------A1",
    unit="STN1",
    domain="10YFI-1--------U",
    acquiring_domain="10Y1001A1001A91G",
    operator="10X1001A1001A264",
)
CHANGES = [dt.date(2026, 3, 29), dt.date(2026, 10, 25), dt.date(2026, 6, 1)]


def _prices(step: str, low: int, high: int):
    return st.integers(low, high).map(lambda n: n * Decimal(step))


WHOLE_ONLY = st.just(value=True)


def _curve(way: Direction, price, mw, most: int, *, divisible=WHOLE_ONLY):
    def build(steps):
        ordered = sorted(steps, key=lambda s: s[1], reverse=way is CHARGE)
        return tuple(Segment(way, power, at, divisible=whole) for power, at, whole in ordered)

    steps = st.lists(st.tuples(mw, price, divisible), max_size=most, unique_by=lambda s: s[1])
    return steps.map(build)


def _two_sided(most: int, mw, low: str = "0.1"):
    charge = _curve(CHARGE, _prices(low, -500, 200), mw, most)
    discharge = _curve(DISCHARGE, _prices(low, 201, 2000), mw, most)
    return st.builds(lambda a, b: a + b, charge, discharge)


def _bids(market: str, name: str, curve, days=CHANGES):
    rules = load_market(market).product(name)

    def build(day, curves):
        starts = rules.intervals_ms(day)[: len(curves)]
        return BidSet(
            "s1",
            market,
            name,
            day,
            rules.interval_min,
            OfferMode.QUANTITY_PRICE,
            tuple(map(BidInterval, starts, curves)),
        )

    return st.builds(build, st.sampled_from(days), st.lists(curve, min_size=1, max_size=4))


TENTHS = st.integers(1, 200).map(lambda n: n * Decimal("0.1"))
WHOLE = st.integers(1, 50).map(Decimal)


def _round_trip(one: BidSet, name: str) -> tuple[BidSet, ...]:
    market = load_market(name)
    document = write_bids([one], market, PARTY, SENDING)
    written = market.product(one.product).format
    return read_bids(document.body, written, market, "s1")


@settings(max_examples=30, deadline=None)
@given(_bids("europe", "day-ahead-energy", _two_sided(4, TENTHS)))
def test_a_curve_table_is_read_back_as_it_was_written(one: BidSet):
    assert _round_trip(one, "europe") == (one,)


@settings(max_examples=30, deadline=None)
@given(_bids("cn-shandong", "day-ahead-energy", _two_sided(4, TENTHS)))
def test_a_table_of_96_points_is_read_back_as_it_was_written(one: BidSet):
    assert _round_trip(one, "cn-shandong") == (one,)


@settings(max_examples=20, deadline=None)
@given(
    _bids(
        "europe",
        "mfrr-energy",
        _curve(Direction.UP, _prices("0.01", -9999, 9999), WHOLE, 3, divisible=st.booleans()),
    )
)
def test_a_reserve_document_is_read_back_as_it_was_written(one: BidSet):
    offered = tuple(interval for interval in one.intervals if interval.segments)
    if not offered:
        with pytest.raises(BadDocument, match="offers nothing"):
            _round_trip(one, "europe")
        return

    assert _round_trip(one, "europe") == (dataclasses.replace(one, intervals=offered),)


@settings(max_examples=20, deadline=None)
@given(_bids("au-nem", "energy", _two_sided(2, WHOLE, "0.01")))
def test_a_bidirectional_unit_is_read_back_as_it_was_written(one: BidSet):
    offered = tuple(interval for interval in one.intervals if interval.segments)
    whole = dataclasses.replace(one, intervals=offered)

    assert not offered or _round_trip(one, "au-nem") == (whole,)


def test_a_self_schedule_has_no_prices_in_the_table():
    bare = bid([segment(DISCHARGE, "5", None)], market="cn-jiangsu", mode=OfferMode.SELF_SCHEDULE)
    market = load_market("cn-jiangsu")

    text = write_bids([bare], market, PARTY, SENDING).body.decode("utf-8-sig")

    assert text.splitlines()[1] == (
        "cn-jiangsu,day-ahead-energy,s1,STN1,2026-03-10,自调度,00:15,放电,1,5,"
    )
    assert text.splitlines()[-1].split(",")[6] == "24:00"
    assert _round_trip(bare, "cn-jiangsu") == (bare,)


SHAPE = Trapezium(*map(Decimal, ("0", "2", "8", "10", "5")))


def _regulation(*shapes: Trapezium) -> BidSet:
    one = bid([segment(Direction.UP, "5", "3")], market="au-nem", name="raisereg", intervals=2)
    return dataclasses.replace(
        one,
        intervals=tuple(
            dataclasses.replace(interval, trapezium=shape)
            for interval, shape in zip(one.intervals, shapes, strict=True)
        ),
    )


def test_energy_and_services_go_in_one_json_with_twenty_bands():
    market = load_market("au-nem")
    energy = bid(
        [segment(CHARGE, "4", "30"), segment(DISCHARGE, "5", "90"), segment(DISCHARGE, "5", "300")],
        market="au-nem",
        name="energy",
    )
    load = dataclasses.replace(
        SHAPE,
        enablement_min=Decimal(-10),
        low_breakpoint=Decimal(-8),
        high_breakpoint=Decimal(-2),
        enablement_max=Decimal(0),
    )
    regulation = _regulation(SHAPE, load)
    rebid = Rebid("1432 price for 15:00 rose to 310", 1_773_000_000_000, 1, 2)

    document = write_bids(
        [energy, regulation], market, PARTY, dataclasses.replace(SENDING, rebid=rebid)
    )

    whole = json.loads(document.body)
    assert whole["referenceId"] == KEY
    assert [one["direction"] for one in whole["energyBids"]] == ["LOAD", "GEN"]
    assert [one["direction"] for one in whole["fcasBids"]] == ["GEN", "LOAD"]
    for one in whole["energyBids"] + whole["fcasBids"]:
        assert len(one["prices"]) == 10
        assert one["prices"] == sorted(one["prices"])
        assert one["rebidExplanation"]["reason"] == rebid.reason
    gen = whole["energyBids"][1]
    assert gen["prices"][:3] == [90, 300, 20300]
    assert gen["energyPeriods"][0]["bandAvail"][:3] == [5, 5, 0]
    assert len(gen["energyPeriods"]) == 288
    assert whole["fcasBids"][1]["fcasPeriods"][1]["enablementMin"] == 0
    assert whole["fcasBids"][1]["fcasPeriods"][1]["enablementMax"] == 10
    back = read_bids(document.body, Format.AEMO_JSON, market, "s1")
    assert back == (energy, regulation)


def test_regulation_over_both_sides_and_an_eleventh_price_cannot_be_written():
    market = load_market("au-nem")
    wide = dataclasses.replace(SHAPE, enablement_min=Decimal(-10))
    many = bid([segment(DISCHARGE, "1", str(n)) for n in range(11)], market="au-nem", name="energy")

    with pytest.raises(BadDocument, match="both sides"):
        write_bids([_regulation(wide, wide)], market, PARTY, SENDING)
    with pytest.raises(BadDocument, match="11 prices"):
        write_bids([many], market, PARTY, SENDING)


def test_loss_factors_may_turn_a_ladder_over():
    one = bid(
        [segment(CHARGE, "1", "88"), segment(DISCHARGE, "1", "90")], market="au-nem", name="energy"
    )
    lossy = dataclasses.replace(PARTY, mlf_generation=Decimal("1.03"), mlf_load=Decimal("0.99"))

    assert check_unit(one, PARTY) == ()
    assert [found.rule for found in check_unit(one, lossy)] == [Rule.CROSSING]


def _reserve(name: str = "mfrr-energy") -> bytes:
    one = bid([segment(Direction.UP, "12", "80.5")], name=name, intervals=2)
    return write_bids([one], load_market("europe"), PARTY, SENDING).body


@pytest.mark.parametrize(("name", "process"), [("mfrr-energy", "A47"), ("afrr-energy", "A51")])
def test_a_reserve_document_says_its_process_and_keeps_the_schema(name: str, process: str):
    text = _reserve(name).decode()

    assert 'xmlns="urn:iec62325.351:tc57wg16:451-7:reservebiddocument:7:4"' in text
    assert f"<process.processType>{process}</process.processType>" in text
    assert f"<mRID>{KEY}</mRID>" in text
    assert "<type>A37</type>" in text
    assert text.count("<Bid_TimeSeries>") == 2


def test_a_series_keeps_its_id_when_the_bid_is_amended():
    one = bid([segment(Direction.UP, "12", "80.5")], name="mfrr-energy", intervals=2)
    more = bid([segment(Direction.UP, "15", "85")], name="mfrr-energy", intervals=2)
    later = dataclasses.replace(SENDING, key=idempotency_key("bid-7", 2), amends=KEY)
    market = load_market("europe")

    def ids(body: bytes) -> list[str]:
        return re.findall(r"<mRID>(.*?)</mRID>", body.decode())

    first = ids(write_bids([one], market, PARTY, SENDING).body)
    second = ids(write_bids([more], market, PARTY, later).body)

    assert first[0] != second[0]
    assert first[1:] == second[1:]
    assert len(set(first)) == 3


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"<type>A37</type>", b"<type>A24</type>"),
        (b"<businessType>B74</businessType>", b""),
        (b"PT15M", b"PT60M"),
        (b"<quantity.quantity>12", b"<quantity.quantity>-12"),
        (b"<position>1<", b"<position>2<"),
        (b"80.5", b"80.505"),
        (b"<revisionNumber>", b"<colour>red</colour><revisionNumber>"),
        (b"?>", b"?><!DOCTYPE a [<!ENTITY b 'c'>]>"),
        (b"<Bid_TimeSeries>", b"<Bid_TimeSeries"),
    ],
)
def test_a_reserve_document_that_breaks_the_schema_is_refused(old: bytes, new: bytes):
    broken = _reserve().replace(old, new, 1)

    with pytest.raises(BadDocument):
        read_bids(broken, Format.IEC_62325, load_market("europe"), "s1")


@pytest.mark.parametrize(
    ("written", "name", "body"),
    [
        (Format.CURVE_CSV, "europe", b"a,b\r\n1,2\r\n"),
        (Format.CURVE_CSV, "europe", b"\xff\xfe"),
        (Format.CHINA_96, "cn-jiangsu", "市场,品种\r\n".encode()),
        (Format.AEMO_JSON, "au-nem", b"[]"),
        (Format.AEMO_JSON, "au-nem", b'{"energyBids": [{}], "fcasBids": []}'),
        (Format.AEMO_JSON, "au-nem", b"{"),
        (Format.IEC_62325, "europe", b""),
    ],
)
def test_nonsense_is_refused_with_a_reason(written: Format, name: str, body: bytes):
    with pytest.raises(MarketError):
        read_bids(body, written, load_market(name), "s1")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("2026-03-09T23:00:00Z", "2026-03-09T23:00:00", "line 2, start_utc.*offset"),
        ("discharge", "sideways", "line 4, direction"),
        (",120.5", ",NaN", "line 5, price.*finite"),
        (",15,", ",a,", "line 2, minutes"),
        (",2026-03-10,", ",10.3.26,", "line 2, delivery_day"),
    ],
)
def test_a_wrong_cell_is_named_by_line_and_column(old: str, new: str, words: str):
    text = write_bids([bid(intervals=1)], load_market("europe"), PARTY, SENDING).body.decode()
    assert old in text

    with pytest.raises(BadDocument, match=words):
        read_bids(text.replace(old, new, 1).encode(), Format.CURVE_CSV, load_market("europe"), "")


def test_bids_of_two_formats_do_not_go_in_one_document():
    reserve = bid([segment(Direction.UP, "12", "80.5")], name="mfrr-energy", intervals=2)

    with pytest.raises(BadDocument, match="2 formats"):
        write_bids([bid(BOTH_WAYS), reserve], load_market("europe"), PARTY, SENDING)


def test_a_key_is_the_same_after_every_restart_and_differs_by_revision():
    assert idempotency_key("bid-7", 1) == KEY
    assert idempotency_key("bid-7", 2) != KEY
