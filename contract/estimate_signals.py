"""The signals that the station's estimators make, and that no device sends.

"±" is half of the interval that is to hold the true value nine times in ten.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from contract import states as words
from contract.signal import Grade, analog, index, state

_G, _I, _M, _C = Grade.GENERAL, Grade.INTERNAL, Grade.IMPORTANT, Grade.CORE

ESTIMATES = (
    # Of racks and of the station.
    analog("soc_estimate", "", "i2", 0.0001, _C, "estimated SOC", "估计 SOC"),
    analog("soc_half_width", "", "i2", 0.0001, _C, "estimated SOC ±", "估计 SOC ±"),
    analog("soc_cell_max", "", "i2", 0.0001, _C, "highest cell SOC", "单体最高 SOC"),
    analog("soc_cell_min", "", "i2", 0.0001, _C, "lowest cell SOC", "单体最低 SOC"),
    index("soc_cell_max_index", "cell with the highest SOC", "SOC 最高单体编号"),
    index("soc_cell_min_index", "cell with the lowest SOC", "SOC 最低单体编号"),
    analog("soh_estimate", "", "i2", 0.0001, _C, "estimated SOH (capacity)", "估计 SOH（容量）"),
    analog("soh_half_width", "", "i2", 0.0001, _C, "estimated SOH ±", "估计 SOH ±"),
    analog("soh_cell_min", "", "i2", 0.0001, _C, "lowest cell SOH", "单体最低 SOH"),
    index("soh_cell_min_index", "cell with the lowest SOH", "SOH 最低单体编号"),
    analog("resistance_ratio", "", "i2", 0.001, _M, "resistance against new", "内阻比（对新电芯）"),
    analog("resistance_half_width", "", "i2", 0.001, _M, "resistance against new ±", "内阻比 ±"),
    analog(
        "resistance_cell_max",
        "",
        "i2",
        0.001,
        _M,
        "highest cell resistance against new",
        "单体最高内阻比",
    ),
    index("resistance_cell_max_index", "cell with the highest resistance", "内阻最高单体编号"),
    analog(
        "ece_charge",
        "",
        "i2",
        0.0001,
        _M,
        "energy conversion efficiency, charge",
        "能量转换效率（充电）",
    ),
    analog(
        "ece_charge_half_width",
        "",
        "i2",
        0.0001,
        _M,
        "energy conversion efficiency, charge ±",
        "能量转换效率（充电）±",
    ),
    analog(
        "ece_discharge",
        "",
        "i2",
        0.0001,
        _M,
        "energy conversion efficiency, discharge",
        "能量转换效率（放电）",
    ),
    analog(
        "ece_discharge_half_width",
        "",
        "i2",
        0.0001,
        _M,
        "energy conversion efficiency, discharge ±",
        "能量转换效率（放电）±",
    ),
    analog("system_efficiency", "", "i2", 0.0001, _M, "system energy efficiency", "系统能效比"),
    analog("current_bias_a", "A", "i2", 0.01, _M, "offset of the current sensor", "电流传感器零偏"),
    analog(
        "discharge_energy_15min_kwh",
        "kWh",
        "i4",
        0.1,
        _C,
        "dispatchable discharge energy, 15 min",
        "可调度放电电量（15 分钟）",
    ),
    analog(
        "discharge_power_15min_kw",
        "kW",
        "i4",
        0.1,
        _C,
        "dispatchable discharge power, 15 min",
        "可调度放电功率（15 分钟）",
    ),
    analog(
        "charge_energy_15min_kwh",
        "kWh",
        "i4",
        0.1,
        _C,
        "dispatchable charge energy, 15 min",
        "可调度充电电量（15 分钟）",
    ),
    analog(
        "charge_power_15min_kw",
        "kW",
        "i4",
        0.1,
        _C,
        "dispatchable charge power, 15 min",
        "可调度充电功率（15 分钟）",
    ),
    analog(
        "discharge_energy_1h_kwh",
        "kWh",
        "i4",
        0.1,
        _C,
        "dispatchable discharge energy, 1 h",
        "可调度放电电量（1 小时）",
    ),
    analog(
        "discharge_power_1h_kw",
        "kW",
        "i4",
        0.1,
        _C,
        "dispatchable discharge power, 1 h",
        "可调度放电功率（1 小时）",
    ),
    analog(
        "charge_energy_1h_kwh",
        "kWh",
        "i4",
        0.1,
        _C,
        "dispatchable charge energy, 1 h",
        "可调度充电电量（1 小时）",
    ),
    analog(
        "charge_power_1h_kw",
        "kW",
        "i4",
        0.1,
        _C,
        "dispatchable charge power, 1 h",
        "可调度充电功率（1 小时）",
    ),
    analog(
        "discharge_energy_4h_kwh",
        "kWh",
        "i4",
        0.1,
        _C,
        "dispatchable discharge energy, 4 h",
        "可调度放电电量（4 小时）",
    ),
    analog(
        "discharge_power_4h_kw",
        "kW",
        "i4",
        0.1,
        _C,
        "dispatchable discharge power, 4 h",
        "可调度放电功率（4 小时）",
    ),
    analog(
        "charge_energy_4h_kwh",
        "kWh",
        "i4",
        0.1,
        _C,
        "dispatchable charge energy, 4 h",
        "可调度充电电量（4 小时）",
    ),
    analog(
        "charge_power_4h_kw",
        "kW",
        "i4",
        0.1,
        _C,
        "dispatchable charge power, 4 h",
        "可调度充电功率（4 小时）",
    ),
    state(
        "discharge_bound_by",
        _I,
        "what bounds dispatchable discharge",
        "可调度放电受限原因",
        words.ENERGY_BOUND,
    ),
    index(
        "discharge_bound_cell",
        "cell that bounds dispatchable discharge",
        "限制可调度放电的单体编号",
    ),
    state(
        "charge_bound_by",
        _I,
        "what bounds dispatchable charge",
        "可调度充电受限原因",
        words.ENERGY_BOUND,
    ),
    index("charge_bound_cell", "cell that bounds dispatchable charge", "限制可调度充电的单体编号"),
    analog(
        "dispatchable_confidence",
        "",
        "i2",
        0.0001,
        _I,
        "confidence of the dispatchable energy",
        "可调度电量置信度",
    ),
    analog("anomaly_score", "", "i2", 0.001, _M, "anomaly score", "异常评分"),
    state("anomaly_kind", _M, "kind of anomaly", "异常类型", words.ANOMALY_KIND),
    state("anomaly_level", _M, "severity of the anomaly", "异常等级", words.ANOMALY_LEVEL),
    index("anomaly_cell_index", "cell with the anomaly", "异常单体编号"),
    state("estimator_state", _I, "estimator state", "估计器状态", words.ESTIMATOR_STATE),
    analog(
        "cells_searching",
        "",
        "i2",
        1.0,
        _I,
        "cells whose SOC is still searched for",
        "SOC 搜索中的单体数",
    ),
    analog(
        "innovation_ratio",
        "",
        "i2",
        0.01,
        _I,
        "voltage innovation against its expectation",
        "电压新息比",
    ),
    analog(
        "charge_health_share",
        "",
        "i2",
        0.0001,
        _M,
        "share of the charge current that the cells' health leaves",
        "单体健康状态允许的充电电流比例",
    ),
    index(
        "charge_health_cell",
        "cell whose health lowers the charge current",
        "健康状态限制充电电流的单体编号",
    ),
    analog(
        "discharge_health_share",
        "",
        "i2",
        0.0001,
        _M,
        "share of the discharge current that the cells' health leaves",
        "单体健康状态允许的放电电流比例",
    ),
    index(
        "discharge_health_cell",
        "cell whose health lowers the discharge current",
        "健康状态限制放电电流的单体编号",
    ),
    # Of the station alone.
    analog("cells_estimated", "", "i4", 1.0, _G, "cells estimated", "已估计单体数"),
    analog(
        "estimator_core_share",
        "",
        "i2",
        0.0001,
        _G,
        "core of the estimator in use",
        "估计器 CPU 占用",
    ),
    analog(
        "model_version", "", "i4", 1.0, _I, "estimator model in force (version)", "在用估计模型版本"
    ),
    analog(
        "shadow_version",
        "",
        "i4",
        1.0,
        _I,
        "estimator model in shadow (version)",
        "影子估计模型版本",
    ),
    state("model_state", _I, "life of the shadow model", "影子模型状态", words.MODEL_STATE),
    analog(
        "shadow_innovation_ratio",
        "",
        "i2",
        0.01,
        _I,
        "voltage innovation ratio of the shadow model",
        "影子模型电压新息比",
    ),
    # Of every cell.
    analog("cell_soc", "", "i2", 0.0001, _C, "cell SOC", "单体 SOC"),
    analog("cell_soc_half_width", "", "i2", 0.0001, _C, "cell SOC ±", "单体 SOC ±"),
    analog("cell_soh", "", "i2", 0.0001, _C, "cell SOH (capacity)", "单体 SOH（容量）"),
    analog("cell_soh_half_width", "", "i2", 0.0001, _C, "cell SOH ±", "单体 SOH ±"),
    analog(
        "cell_resistance_ratio", "", "i2", 0.001, _M, "cell resistance against new", "单体内阻比"
    ),
    analog(
        "cell_resistance_half_width",
        "",
        "i2",
        0.001,
        _M,
        "cell resistance against new ±",
        "单体内阻比 ±",
    ),
    analog(
        "cell_ece_charge",
        "",
        "i2",
        0.0001,
        _M,
        "cell energy efficiency, charge",
        "单体能量效率（充电）",
    ),
    analog(
        "cell_ece_discharge",
        "",
        "i2",
        0.0001,
        _M,
        "cell energy efficiency, discharge",
        "单体能量效率（放电）",
    ),
    analog(
        "cell_ece_half_width", "", "i2", 0.0001, _M, "cell energy efficiency ±", "单体能量效率 ±"
    ),
    analog("cell_anomaly_score", "", "i2", 0.001, _M, "cell anomaly score", "单体异常评分"),
    # What the station itself makes of the cells that a rack tells, before anybody uses them.
    analog("cells_voltage_max_v", "V", "i2", 0.001, _M, "highest usable cell", "可用单体最高电压"),
    analog("cells_voltage_min_v", "V", "i2", 0.001, _M, "lowest usable cell", "可用单体最低电压"),
    analog(
        "cells_voltage_mean_v", "V", "i4", 0.0001, _M, "mean of usable cells", "可用单体平均电压"
    ),
    analog("cells_voltage_deviation_v", "V", "i4", 0.0001, _M, "spread of cells", "单体电压标准差"),
    index(
        "cells_voltage_max_index", "usable cell with the highest voltage", "可用单体最高电压编号"
    ),
    index("cells_voltage_min_index", "usable cell with the lowest voltage", "可用单体最低电压编号"),
    analog(
        "cells_temperature_max_c", "°C", "i2", 0.1, _M, "hottest usable cell", "可用单体最高温度"
    ),
    analog(
        "cells_temperature_min_c", "°C", "i2", 0.1, _M, "coldest usable cell", "可用单体最低温度"
    ),
    analog(
        "cells_temperature_mean_c", "°C", "i2", 0.01, _M, "mean of usable cells", "可用单体平均温度"
    ),
    analog(
        *("cells_temperature_deviation_c", "°C", "i2", 0.01, _M),
        *("spread of cell temperatures", "单体温度标准差"),
    ),
    index("cells_temperature_max_index", "hottest usable cell", "可用单体最高温度编号"),
    index("cells_temperature_min_index", "coldest usable cell", "可用单体最低温度编号"),
    analog("cells_usable", "", "i2", 1.0, _G, "usable cells", "可用单体数"),
    analog("cells_spiking", "", "i2", 1.0, _G, "cells that jumped for a moment", "瞬时跳变单体数"),
    analog("cells_frozen", "", "i2", 1.0, _G, "cells that stand still", "数值冻结单体数"),
)

HALF_WIDTHS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "soc_estimate": "soc_half_width",
        "soh_estimate": "soh_half_width",
        "resistance_ratio": "resistance_half_width",
        "ece_charge": "ece_charge_half_width",
        "ece_discharge": "ece_discharge_half_width",
        "cell_soc": "cell_soc_half_width",
        "cell_soh": "cell_soh_half_width",
        "cell_resistance_ratio": "cell_resistance_half_width",
        "cell_ece_charge": "cell_ece_half_width",
        "cell_ece_discharge": "cell_ece_half_width",
    }
)
"""Estimate -> the signal of the same layout that is half of its interval."""
