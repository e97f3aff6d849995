"""Why a station may not charge or discharge with full power right now.

The code of the limit that binds travels as a signal (`charge_limit_reason`,
`discharge_limit_reason`), so a person and a trader can always be told which limit it is.
"""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType

from contract.words import Words


class LimitReason(IntEnum):
    """The limit that binds; the numbers are part of the telemetry and never change."""

    NONE = 0
    PCS_RATING = 1
    RACK_CURRENT = 2
    SOC_BAND = 3
    STALE_DATA = 4
    PCS_UNAVAILABLE = 5
    RACK_UNAVAILABLE = 6
    CELL_VOLTAGE = 7
    CELL_TEMPERATURE = 8
    FIRE = 9
    INSULATION = 10
    STATION_CONFIG = 11

    @property
    def words(self) -> Words:
        """The reason in words for people, in both languages."""
        return LIMIT_WORDS[self]


LIMIT_WORDS: Mapping[LimitReason, Words] = MappingProxyType(
    {
        LimitReason.NONE: Words("rated power", "额定功率"),
        LimitReason.PCS_RATING: Words("PCS rating", "PCS 额定容量"),
        LimitReason.RACK_CURRENT: Words("rack current limit (BMS)", "电池簇电流限值（BMS）"),
        LimitReason.SOC_BAND: Words("SOC band", "SOC 运行区间"),
        LimitReason.STALE_DATA: Words("stale data", "数据过期"),
        LimitReason.PCS_UNAVAILABLE: Words("PCS unavailable", "PCS 不可用"),
        LimitReason.RACK_UNAVAILABLE: Words("rack unavailable", "电池簇不可用"),
        LimitReason.CELL_VOLTAGE: Words("cell voltage", "单体电压"),
        LimitReason.CELL_TEMPERATURE: Words("cell temperature", "单体温度"),
        LimitReason.FIRE: Words("fire alarm", "消防告警"),
        LimitReason.INSULATION: Words("insulation fault", "绝缘故障"),
        LimitReason.STATION_CONFIG: Words("station configuration", "电站配置限值"),
    }
)
