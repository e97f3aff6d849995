"""One settled day of each market, computed by hand; every rounding is written out."""

from decimal import Decimal

from cloud.market.bid import Direction
from cloud.market.exchanges import load_market
from cloud.market.settlement import (
    IMBALANCE,
    Contract,
    DayRecord,
    RegulationRun,
    explain,
    settle,
)
from cloud.market.statement import total_of
from tests.cloud.market.settlement.days import DAY, amounts, at, award, prices, readings

UP, CHARGE, DISCHARGE = Direction.UP, Direction.CHARGE, Direction.DISCHARGE


def test_a_day_of_two_settlements_by_hand():
    """ERCOT: hourly awards at the day-ahead price, quarter-hours beside them in real time.

    Day-ahead   03:00  4 MW charge    x 1 h x 18.40  =  -73.60
                17:00 10 MW discharge x 1 h x 85.25  =  852.50
    Real time   03:45  -1.10 - (-1.00) = -0.10 MWh x  12.35 =   -1.235  ->   -1.24
                17:30   2.00 -   2.50  = -0.50 MWh x 310.05 = -155.025  -> -155.03
                17:45   1.75 -   2.50  = -0.75 MWh x  45.20 =  -33.90
                20:00   0.75 -   0     =  0.75 MWh x 200.01 =  150.0075 ->  150.01
    Sum  -73.60 + 852.50 - 1.24 - 155.03 - 33.90 + 150.01 = 738.74
    """
    market = load_market("us-ercot")
    told = {"03:00": "-1", "03:15": "-1", "03:30": "-1", "03:45": "-1.1"}
    told |= {"17:00": "2.5", "17:15": "2.5", "17:30": "2", "17:45": "1.75", "20:00": "0.75"}
    record = DayRecord(
        "s1",
        DAY,
        (
            award(market, "day-ahead-energy", "03:00", CHARGE, "4", "18.40"),
            award(market, "day-ahead-energy", "17:00", DISCHARGE, "10", "85.25"),
        ),
        readings(market, 15, told),
        {
            "real-time-energy": prices(
                market,
                {"03:45": "12.35", "17:30": "310.05", "17:45": "45.20", "20:00": "200.01"},
            )
        },
    )

    statement = settle(record, market)

    ahead, real = "day-ahead-energy", "real-time-energy"
    assert amounts(statement) == {
        ("energy", ahead, "03:00"): Decimal("-73.60"),
        ("energy", ahead, "17:00"): Decimal("852.50"),
        ("imbalance", real, "03:45"): Decimal("-1.24"),
        ("imbalance", real, "17:30"): Decimal("-155.03"),
        ("imbalance", real, "17:45"): Decimal("-33.90"),
        ("imbalance", real, "20:00"): Decimal("150.01"),
    }
    assert statement.total == total_of(statement.lines) == Decimal("738.74")
    assert statement.currency == "USD"


def test_a_day_of_a_european_balance_group_by_hand():
    """Europe: each trade at its price, balancing energy at its own, the rest as imbalance.

    Day-ahead   03:00 6 MW charge    x 0.25 h = -1.50 MWh x  31.19 = -46.785  -> -46.79
                18:00 8 MW discharge x 0.25 h =  2.00 MWh x 142.37 = 284.74
    Intraday    18:00 2 MW discharge x 0.25 h =  0.50 MWh x 150.50 =  75.25
    mFRR up     18:15 4 MW           x 0.25 h =  1.00 MWh x 210.00 = 210.00
    Imbalance   12:00 0.013 - 0       =  0.013 MWh x  -5.55 = -0.07215 ->  -0.07
                18:00 2.40 - 2.50     = -0.10  MWh x 188.88 = -18.888  -> -18.89
    Sum  -46.79 + 284.74 + 75.25 + 210.00 - 0.07 - 18.89 = 504.24
    """
    market = load_market("europe")
    record = DayRecord(
        "s1",
        DAY,
        (
            award(market, "day-ahead-energy", "03:00", CHARGE, "6", "31.19"),
            award(market, "day-ahead-energy", "18:00", DISCHARGE, "8", "142.37"),
            award(market, "intraday-energy", "18:00", DISCHARGE, "2", "150.5"),
            award(market, "mfrr-energy", "18:15", UP, "4", "210"),
        ),
        readings(market, 15, {"03:00": "-1.5", "12:00": "0.013", "18:00": "2.4", "18:15": "1"}),
        {IMBALANCE: prices(market, {"12:00": "-5.55", "18:00": "188.88"})},
    )

    # two known prices six hours apart say no grid, so the whole series is given as it is published
    step = {one.start_ms: Decimal(0) for one in record.readings} | record.prices[IMBALANCE]
    statement = settle(
        DayRecord("s1", DAY, record.awards, record.readings, {IMBALANCE: step}), market
    )

    assert amounts(statement) == {
        ("energy", "day-ahead-energy", "03:00"): Decimal("-46.79"),
        ("energy", "day-ahead-energy", "18:00"): Decimal("284.74"),
        ("energy", "intraday-energy", "18:00"): Decimal("75.25"),
        ("energy", "mfrr-energy", "18:15"): Decimal("210.00"),
        ("imbalance", "", "12:00"): Decimal("-0.07"),
        ("imbalance", "", "18:00"): Decimal("-18.89"),
    }
    assert statement.total == total_of(statement.lines) == Decimal("504.24")


def test_a_day_of_the_australian_market_by_hand():
    """Australia: metered energy x loss factor x price of the five minutes; FCAS x price / 12.

    Energy  18:00  0.825 MWh x 0.9812 = 0.80949 x 312.46 = 252.9332454 -> 252.93
            18:05  0.800 MWh x 0.9812 = 0.78496 x -30.00 = -23.5488    -> -23.55
            02:00 -0.750 MWh x 1.0034 = -0.75255 x 45.67 = -34.3689585 -> -34.37
    FCAS    18:00  raise 6 s  10 MW x 5/60 h x  3.75 = 3.125      -> 3.13
            18:00  raise reg   5 MW x 5/60 h x 12.34 = 5.14166... -> 5.14
    Sum  252.93 - 23.55 - 34.37 + 3.13 + 5.14 = 203.28
    """
    market = load_market("au-nem")
    begin, _ = market.calendar.day_bounds_ms(DAY)
    night = begin + 22 * 3_600_000  # 02:00 of the next calendar day, of the same trading day
    told = {at(market, "18:00"): "0.825", at(market, "18:05"): "0.8", night: "-0.75"}
    whole = tuple(
        type(one)(one.start_ms, 5, Decimal(told.get(one.start_ms, "0")))
        for one in readings(market, 5, {})
    )
    record = DayRecord(
        "s1",
        DAY,
        (
            award(market, "raise6sec", "18:00", UP, "10", "3.75"),
            award(market, "raisereg", "18:00", UP, "5", "12.34"),
        ),
        whole,
        {
            "energy": {
                at(market, "18:00"): Decimal("312.46"),
                at(market, "18:05"): Decimal(-30),
                night: Decimal("45.67"),
            }
        },
        mlf_generation=Decimal("0.9812"),
        mlf_load=Decimal("1.0034"),
    )

    statement = settle(record, market)

    assert amounts(statement) == {
        ("energy", "energy", "18:00"): Decimal("252.93"),
        ("energy", "energy", "18:05"): Decimal("-23.55"),
        ("energy", "energy", "02:00"): Decimal("-34.37"),
        ("capacity", "raise6sec", "18:00"): Decimal("3.13"),
        ("capacity", "raisereg", "18:00"): Decimal("5.14"),
    }
    assert statement.total == total_of(statement.lines) == Decimal("203.28")


def test_a_day_of_a_chinese_spot_market_by_hand():
    """Guangdong: contract by difference, spot, deviation band, regulation.

    The band (2 % free, beyond it 10 % of the real-time price) is the file's assumption; capacity
    at 12 won and 3.56 not won is that of 2018; K counts up to 1.5.

    Contract   18:00 1.50 MWh x (460.00 - 512.34) = 1.50 x -52.34 =   -78.51
    Day-ahead  12:00  8 MW charge    x 0.25 h = -2.00 MWh x 103.26 = -206.52
               18:00 10 MW discharge x 0.25 h =  2.50 MWh x 512.34 = 1280.85
    Real time  09:00  0.01 -  0    =  0.01 MWh x 300.00 =    3.00
               12:00 -2.03 + 2.00  = -0.03 MWh x  98.70 =   -2.961 -> -2.96
               18:00  2.30 - 2.50  = -0.20 MWh x 505.05 = -101.01
    Deviation  09:00  0.01 - 2 % x 0    = 0.01 MWh x 30.00  = -0.30
               12:00  0.03 - 2 % x 2.00 < 0: within the band
               18:00  0.20 - 2 % x 2.50 = 0.15 MWh x 50.505 = -7.57575 -> -7.58
    Regulation 10:00  240 MW x min(1.62, 1.5) = 360 MW x 9.50 = 3420.00
               10:00  8 MW won x 1 h x 12.00 = 96.00; 2 MW not won x 1 h x 3.56 = 7.12
    Sum  -78.51 - 206.52 + 1280.85 + 3.00 - 2.96 - 101.01 - 0.30 - 7.58 + 3420.00 + 96.00 + 7.12
         = 4410.09
    """
    market = load_market("cn-guangdong")
    ahead, real = "day-ahead-energy", "real-time-energy"
    run = map(Decimal, ("10", "8", "240", "1.62", "9.5"))
    record = DayRecord(
        "s1",
        DAY,
        (
            award(market, ahead, "12:00", CHARGE, "8", "103.26"),
            award(market, ahead, "18:00", DISCHARGE, "10", "512.34"),
        ),
        readings(market, 15, {"09:00": "0.01", "12:00": "-2.03", "18:00": "2.3"}),
        {
            ahead: prices(market, {"18:00": "512.34"}),
            real: prices(market, {"09:00": "300", "12:00": "98.70", "18:00": "505.05"}),
        },
        contracts=(Contract(at(market, "18:00"), 15, Decimal("1.5"), Decimal(460)),),
        regulation=(RegulationRun(at(market, "10:00"), 60, *run),),
    )

    statement = settle(record, market)

    assert amounts(statement) == {
        ("contract", ahead, "18:00"): Decimal("-78.51"),
        ("energy", ahead, "12:00"): Decimal("-206.52"),
        ("energy", ahead, "18:00"): Decimal("1280.85"),
        ("imbalance", real, "09:00"): Decimal("3.00"),
        ("imbalance", real, "12:00"): Decimal("-2.96"),
        ("imbalance", real, "18:00"): Decimal("-101.01"),
        ("deviation", real, "09:00"): Decimal("-0.30"),
        ("deviation", real, "18:00"): Decimal("-7.58"),
        ("mileage", "regulation", "10:00"): Decimal("3420.00"),
        ("capacity", "regulation", "10:00"): Decimal("96.00"),
        ("capacity", "regulation-not-won", "10:00"): Decimal("7.12"),
    }
    assert statement.total == total_of(statement.lines) == Decimal("4410.09")
    short = next(
        one
        for one in explain(record, market, statement.lines)
        if one.start_ms == at(market, "18:00")
    )
    assert short.cost == Decimal("108.59")  # 101.01 bought back, 7.58 for leaving the band


def test_a_day_of_shandong_with_negative_prices_by_hand():
    """Shandong: paid for charging at noon, and for charging more than was sold.

    Day-ahead  12:00 20 MW charge    x 0.25 h = -5.00 MWh x -80.00 =  400.00
               18:30 12 MW discharge x 0.25 h =  3.00 MWh x 655.55 = 1966.65
    Real time  12:00 -5.25 + 5.00 = -0.25 MWh x -95.50 =  23.875  -> 23.88
               18:30  3.00 - 3.00 =  0
    Deviation  12:00 0.25 - 2 % x 5.00 = 0.15 MWh x 10 % x 95.50 = -1.4325 -> -1.43
    Sum  400.00 + 1966.65 + 23.88 - 1.43 = 2389.10
    """
    market = load_market("cn-shandong")
    ahead, real = "day-ahead-energy", "real-time-energy"
    record = DayRecord(
        "s1",
        DAY,
        (
            award(market, ahead, "12:00", CHARGE, "20", "-80"),
            award(market, ahead, "18:30", DISCHARGE, "12", "655.55"),
        ),
        readings(market, 15, {"12:00": "-5.25", "18:30": "3"}),
        {real: prices(market, {"12:00": "-95.5"})},
    )

    statement = settle(record, market)

    assert amounts(statement) == {
        ("energy", ahead, "12:00"): Decimal("400.00"),
        ("energy", ahead, "18:30"): Decimal("1966.65"),
        ("imbalance", real, "12:00"): Decimal("23.88"),
        ("deviation", real, "12:00"): Decimal("-1.43"),
    }
    assert statement.total == Decimal("2389.10")


def test_a_day_of_jiangsu_with_peak_shaving_by_hand():
    """Jiangsu: peak shaving on call, metered energy at the real-time price.

    Real-time award 11 MW x 0.25 h = 2.75 MWh is the schedule; nothing is sold ahead.
    Peak       17:00 11 MW x 0.25 h = 2.75 MWh moved x 333.33 = 916.6575 -> 916.66
    Real time  17:00 2.70 - 0 = 2.70 MWh x 481.07 = 1298.889 -> 1298.89
    Deviation  17:00 2.75 - 2.70 = 0.05, free 2 % x 2.75 = 0.055: within the band
    Sum  916.66 + 1298.89 = 2215.55
    """
    market = load_market("cn-jiangsu")
    record = DayRecord(
        "s1",
        DAY,
        (
            award(market, "peak", "17:00", DISCHARGE, "11", "333.33"),
            award(market, "real-time-energy", "17:00", DISCHARGE, "11", "481.07"),
        ),
        readings(market, 15, {"17:00": "2.7"}),
        {"real-time-energy": prices(market, {"17:00": "481.07"})},
    )

    statement = settle(record, market)

    assert amounts(statement) == {
        ("capacity", "peak", "17:00"): Decimal("916.66"),
        ("imbalance", "real-time-energy", "17:00"): Decimal("1298.89"),
    }
    assert statement.total == Decimal("2215.55")


def test_a_day_of_the_test_exchange_by_hand():
    """The exchange of the demo: trades add up, the meter's rest is imbalance, capacity by hour.

    Day-ahead  19:00 2 MW discharge x 0.25 h = 0.5 MWh x 100.03 = 50.015 -> settled by 5 minutes:
               3 x (2 MW x 5/60 h = 1/6 MWh x 100.03 = 16.67166...) -> 3 x 16.67 = 50.01
    Intraday   19:05 1 MW charge x 5/60 h = -1/12 MWh x 90.06 = -7.505 -> -7.51
    Capacity   19:00 3 MW x 1 h x 7.25 = 21.75
    Imbalance  19:00 0.150 - 1/6  = -1/60 MWh x 80.10 = -1.335 -> -1.34
               19:05 0.083 - 1/12 = -1/3000 MWh x 80.10 = -0.0267 -> -0.03
               19:10 0.167 - 1/6  = 1/3000 MWh x 80.10 = 0.0267 -> 0.03
    Sum  50.01 - 7.51 + 21.75 - 1.34 - 0.03 + 0.03 = 62.91
    """
    market = load_market("test-exchange")
    told = {"19:00": "0.150", "19:05": "0.083", "19:10": "0.167"}
    record = DayRecord(
        "s1",
        DAY,
        (
            award(market, "day-ahead-energy", "19:00", DISCHARGE, "2", "100.03"),
            award(market, "intraday-energy", "19:05", CHARGE, "1", "90.06"),
            award(market, "regulation", "19:00", Direction.BOTH, "3", "7.25"),
        ),
        readings(market, 5, told),
        {IMBALANCE: prices(market, dict.fromkeys(told, "80.10"))},
    )

    statement = settle(record, market)

    ahead = "day-ahead-energy"
    assert amounts(statement) == {
        ("energy", ahead, "19:00"): Decimal("16.67"),
        ("energy", ahead, "19:05"): Decimal("16.67"),
        ("energy", ahead, "19:10"): Decimal("16.67"),
        ("energy", "intraday-energy", "19:05"): Decimal("-7.51"),
        ("capacity", "regulation", "19:00"): Decimal("21.75"),
        ("imbalance", "", "19:00"): Decimal("-1.34"),
        ("imbalance", "", "19:05"): Decimal("-0.03"),
        ("imbalance", "", "19:10"): Decimal("0.03"),
    }
    assert statement.total == Decimal("62.91")
