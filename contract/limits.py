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
    CELL_MAP = 12
    STATE_OF_HEALTH = 13
    PROTECTION_DERATE = 14
    PROTECTION_STOP = 15
    PROTECTION_TRIP = 16
    COOLANT = 17
    EMERGENCY_STOP = 18
    LOCAL_CONTROL = 19
    PEAK_LIMIT = 20
    FEED_IN_LIMIT = 21
    GAS = 22
    RAMP = 23
    CELL_HEALTH = 24
    RACK_SIGNALS = 25

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
        LimitReason.CELL_MAP: Words("cell map (temperature and SOC)", "电芯功率图（温度与 SOC）"),
        LimitReason.STATE_OF_HEALTH: Words("state of health", "健康状态"),
        LimitReason.PROTECTION_DERATE: Words("protection: derated", "保护降额"),
        LimitReason.PROTECTION_STOP: Words("protection: stopped", "保护停机"),
        LimitReason.PROTECTION_TRIP: Words("protection: tripped", "保护跳闸"),
        LimitReason.COOLANT: Words("cooling", "冷却系统"),
        LimitReason.EMERGENCY_STOP: Words("emergency stop", "急停"),
        LimitReason.LOCAL_CONTROL: Words("local control", "就地控制"),
        LimitReason.PEAK_LIMIT: Words("peak limit at the meter", "并网点需量限值"),
        LimitReason.FEED_IN_LIMIT: Words("feed-in limit at the meter", "并网点上网功率限值"),
        LimitReason.GAS: Words("combustible gas", "可燃气体"),
        LimitReason.RAMP: Words("ramp", "爬坡速率"),
        LimitReason.CELL_HEALTH: Words("health of a cell (estimate)", "单体健康状态（估计）"),
        LimitReason.RACK_SIGNALS: Words(
            "a rack does not tell what limits need", "电池簇缺少计算限值所需的信号"
        ),
    }
)
