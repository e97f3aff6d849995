"""The words that a market's rules are made of."""

from enum import StrEnum


class Kind(StrEnum):
    """What a product sells."""

    ENERGY = "energy"
    PEAK = "peak"  # 调峰: energy moved out of the peak or into the valley on call
    REGULATION = "regulation"  # 调频: following a signal, both ways
    RESERVE = "reserve"  # capacity or energy kept for the system operator's call


class Stage(StrEnum):
    """When a product is cleared."""

    DAY_AHEAD = "day_ahead"
    INTRADAY = "intraday"
    REAL_TIME = "real_time"


class Role(StrEnum):
    """As what a station stands in the market (发改办运行〔2022〕475号)."""

    INDEPENDENT = "independent"  # 独立储能
    JOINT = "joint"  # 联合参与: with the generation that it is paired with


class Amend(StrEnum):
    """What may change in a bid that has been submitted."""

    FREE = "free"
    POWER_ONLY = "power_only"  # the prices stay; MW move between the bands
    NEVER = "never"


class Format(StrEnum):
    """How a bid is written for the exchange."""

    CHINA_96 = "china-96"
    AEMO_JSON = "aemo-json"
    CURVE_CSV = "curve-csv"
    IEC_62325 = "iec-62325"
