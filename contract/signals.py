"""The signal catalogue: every quantity that crosses the house, once, with unit and meaning.

A signal's name bears its unit. Telemetry carries scaled integers: physical = raw * scale.
Power and current are positive for discharge and negative for charge; limits are positive
magnitudes. The grade is the sensitivity level of the value (GB/T 43697-2024 style: general,
important and core data; the lowest class is split in two, as companies usually do).
"""

from collections.abc import Mapping
from types import MappingProxyType

from contract import states as words
from contract.estimate_signals import ESTIMATES
from contract.signal import Grade, Kind, Signal, analog, bits, counter, index, state

__all__ = ["SIGNALS", "Grade", "Kind", "Signal"]

_G, _I, _M, _C = Grade.GENERAL, Grade.INTERNAL, Grade.IMPORTANT, Grade.CORE

_ELECTRICAL = (
    analog("active_power_kw", "kW", "i4", 0.1, _M, "active power", "有功功率"),
    analog("reactive_power_kvar", "kvar", "i4", 0.1, _I, "reactive power", "无功功率"),
    analog("apparent_power_kva", "kVA", "i4", 0.1, _I, "apparent power", "视在功率"),
    analog("power_factor", "", "i2", 0.001, _I, "power factor", "功率因数"),
    analog("frequency_hz", "Hz", "i4", 0.001, _G, "frequency", "频率"),
    analog("dc_voltage_v", "V", "i4", 0.1, _I, "DC voltage", "直流电压"),
    analog("dc_current_a", "A", "i4", 0.1, _I, "DC current", "直流电流"),
    analog("voltage_ab_v", "V", "i4", 0.1, _I, "voltage AB", "AB 线电压"),
    analog("voltage_bc_v", "V", "i4", 0.1, _I, "voltage BC", "BC 线电压"),
    analog("voltage_ca_v", "V", "i4", 0.1, _I, "voltage CA", "CA 线电压"),
    analog("current_a_a", "A", "i4", 0.1, _I, "current phase A", "A 相电流"),
    analog("current_b_a", "A", "i4", 0.1, _I, "current phase B", "B 相电流"),
    analog("current_c_a", "A", "i4", 0.1, _I, "current phase C", "C 相电流"),
    analog("heatsink_temperature_c", "°C", "i2", 0.1, _I, "heatsink temperature", "散热器温度"),
    analog(
        "active_power_setpoint_kw", "kW", "i4", 0.1, _C, "active power set-point", "有功功率设定值"
    ),
    analog(
        "reactive_power_setpoint_kvar",
        "kvar",
        "i4",
        0.1,
        _C,
        "reactive power set-point",
        "无功功率设定值",
    ),
    state("pcs_state", _I, "PCS state", "PCS 状态", words.PCS_STATE),
    state("breaker_closed", _I, "breaker", "断路器", words.OPEN_CLOSED),
    state("remote_control", _I, "control location", "控制方式", words.LOCAL_REMOTE),
    bits("pcs_alarms", "PCS alarms", "PCS 告警", words.PCS_ALARM_BITS),
    counter(
        "energy_discharged_kwh",
        "kWh",
        "i4",
        0.1,
        _M,
        "energy discharged (export)",
        "放电电量（上网）",
    ),
    counter(
        "energy_charged_kwh", "kWh", "i4", 0.1, _M, "energy charged (import)", "充电电量（下网）"
    ),
)

_BATTERY = (
    analog("voltage_v", "V", "i4", 0.1, _M, "rack voltage", "簇电压"),
    analog("current_a", "A", "i4", 0.1, _M, "rack current", "簇电流"),
    analog("power_kw", "kW", "i4", 0.1, _M, "rack power", "簇功率"),
    analog("soc", "", "i2", 0.0001, _C, "state of charge (SOC)", "荷电状态（SOC）"),
    analog("soh", "", "i2", 0.0001, _C, "state of health (SOH)", "健康状态（SOH）"),
    analog("cell_voltage_max_v", "V", "i2", 0.001, _M, "highest cell voltage", "单体最高电压"),
    analog("cell_voltage_min_v", "V", "i2", 0.001, _M, "lowest cell voltage", "单体最低电压"),
    analog("cell_voltage_mean_v", "V", "i2", 0.001, _M, "mean cell voltage", "单体平均电压"),
    index("cell_voltage_max_index", "cell with the highest voltage", "最高电压单体编号"),
    index("cell_voltage_min_index", "cell with the lowest voltage", "最低电压单体编号"),
    analog(
        "cell_temperature_max_c", "°C", "i2", 0.1, _M, "highest cell temperature", "单体最高温度"
    ),
    analog(
        "cell_temperature_min_c", "°C", "i2", 0.1, _M, "lowest cell temperature", "单体最低温度"
    ),
    analog("cell_temperature_mean_c", "°C", "i2", 0.1, _M, "mean cell temperature", "单体平均温度"),
    index("cell_temperature_max_index", "cell with the highest temperature", "最高温度单体编号"),
    index("cell_temperature_min_index", "cell with the lowest temperature", "最低温度单体编号"),
    analog(
        "charge_current_limit_a",
        "A",
        "i4",
        0.1,
        _M,
        "charge current limit (BMS)",
        "充电电流限值（BMS）",
    ),
    analog(
        "discharge_current_limit_a",
        "A",
        "i4",
        0.1,
        _M,
        "discharge current limit (BMS)",
        "放电电流限值（BMS）",
    ),
    state("contactor_closed", _I, "contactor", "接触器", words.OPEN_CLOSED),
    state("rack_state", _I, "rack state", "电池簇状态", words.RACK_STATE),
    bits("rack_warnings", "rack warnings", "电池簇预警", words.RACK_ALARM_BITS),
    bits("rack_alarms", "rack alarms", "电池簇告警", words.RACK_ALARM_BITS),
    analog("cell_voltage_v", "V", "i2", 0.001, _M, "cell voltage", "单体电压"),
    analog("cell_temperature_c", "°C", "i2", 0.1, _M, "cell temperature", "单体温度"),
)

_AUXILIARIES = (
    analog("coolant_supply_c", "°C", "i2", 0.1, _I, "coolant supply temperature", "供液温度"),
    analog("coolant_return_c", "°C", "i2", 0.1, _I, "coolant return temperature", "回液温度"),
    analog("coolant_setpoint_c", "°C", "i2", 0.1, _I, "coolant set-point", "供液温度设定值"),
    analog("ambient_c", "°C", "i2", 0.1, _G, "ambient temperature", "环境温度"),
    analog("coolant_flow_lpm", "l/min", "i2", 0.1, _I, "coolant flow", "冷却液流量"),
    analog("coolant_pressure_kpa", "kPa", "i2", 0.1, _I, "coolant pressure", "冷却液压力"),
    analog("auxiliary_power_kw", "kW", "i4", 0.01, _I, "auxiliary power", "辅助功耗"),
    state("chiller_state", _I, "chiller state", "液冷机组状态", words.CHILLER_STATE),
    bits("chiller_alarms", "chiller alarms", "液冷机组告警", words.CHILLER_ALARM_BITS),
    analog(
        "resistance_positive_kohm",
        "kΩ",
        "i4",
        1.0,
        _I,
        "insulation resistance, positive pole",
        "正极绝缘电阻",
    ),
    analog(
        "resistance_negative_kohm",
        "kΩ",
        "i4",
        1.0,
        _I,
        "insulation resistance, negative pole",
        "负极绝缘电阻",
    ),
    bits("insulation_alarms", "insulation alarms", "绝缘告警", words.INSULATION_ALARM_BITS),
    analog("hydrogen_ppm", "ppm", "i2", 1.0, _I, "hydrogen", "氢气浓度"),
    analog("carbon_monoxide_ppm", "ppm", "i2", 1.0, _I, "carbon monoxide", "一氧化碳浓度"),
    analog("relative_humidity", "", "i2", 0.001, _G, "relative humidity", "相对湿度"),
    analog(
        "combustible_gas_lel",
        "",
        "i2",
        0.001,
        _I,
        "combustible gas, share of the lower explosive limit",
        "可燃气体浓度（占爆炸下限）",
    ),
    state("smoke_detected", _I, "smoke", "烟雾", words.CLEAR_DETECTED),
    state("heat_detected", _I, "heat", "高温", words.CLEAR_DETECTED),
    state("fire_state", _I, "fire protection state", "消防系统状态", words.FIRE_STATE),
    bits("fire_alarms", "fire protection alarms", "消防告警", words.FIRE_ALARM_BITS),
    state("emergency_stop", _I, "emergency-stop button", "急停按钮", words.PRESSED),
    state("reset_pressed", _I, "protection reset button", "保护复归按钮", words.PRESSED),
    state("ventilation_state", _I, "ventilation state", "通风状态", words.VENTILATION_STATE),
)

_STATION = (
    analog("scheduled_power_kw", "kW", "i4", 0.1, _C, "scheduled power", "计划功率"),
    analog("target_power_kw", "kW", "i4", 0.1, _C, "target power", "目标功率"),
    analog("delivered_power_kw", "kW", "i4", 0.1, _M, "delivered power", "实际功率"),
    analog("charge_limit_kw", "kW", "i4", 0.1, _M, "charge power limit", "充电功率限值"),
    analog("discharge_limit_kw", "kW", "i4", 0.1, _M, "discharge power limit", "放电功率限值"),
    state("charge_limit_reason", _I, "binding charge limit", "充电受限原因", words.LIMIT_REASON),
    state(
        "discharge_limit_reason", _I, "binding discharge limit", "放电受限原因", words.LIMIT_REASON
    ),
    # Racks count from 1 in the order of their tags; none where no rack, or no single cell, binds.
    index("charge_limit_rack", "rack that binds the charge limit", "限制充电功率的电池簇序号"),
    index("charge_limit_cell", "cell that binds the charge limit", "限制充电功率的单体编号"),
    index(
        "discharge_limit_rack", "rack that binds the discharge limit", "限制放电功率的电池簇序号"
    ),
    index("discharge_limit_cell", "cell that binds the discharge limit", "限制放电功率的单体编号"),
    index(
        "charge_bound_rack", "rack that bounds dispatchable charge", "限制可调度充电的电池簇序号"
    ),
    index(
        "discharge_bound_rack",
        "rack that bounds dispatchable discharge",
        "限制可调度放电的电池簇序号",
    ),
    analog("stored_energy_kwh", "kWh", "i4", 0.1, _M, "stored energy", "可放电量"),
    analog("capacity_kwh", "kWh", "i4", 0.1, _M, "energy capacity", "储能容量"),
    state("control_mode", _I, "control mode", "控制模式", words.CONTROL_MODE),
    state("link_state", _G, "cloud link", "云端通信", words.DOWN_UP),
    analog("queued_batches", "", "i4", 1.0, _G, "batches in the queue", "待上送批次"),
    analog("cycle_ms", "ms", "i2", 0.1, _G, "control cycle time", "控制周期耗时"),
    analog("devices_stale", "", "i2", 1.0, _G, "devices with stale data", "数据过期设备数"),
    bits("station_alarms", "station alarms", "电站告警", words.STATION_ALARM_BITS),
    state("dispatch_source", _I, "power decided by", "功率决策来源", words.DISPATCH_SOURCE),
    state("binding_limit", _I, "limit that binds", "起作用的限值", words.LIMIT_REASON),
    state("protection_level", _I, "protection level", "保护等级", words.PROTECTION_LEVEL),
    analog("asked_power_kw", "kW", "i4", 0.1, _C, "power asked for", "请求功率"),
    analog("granted_power_kw", "kW", "i4", 0.1, _C, "power granted", "批准功率"),
    analog(
        "frequency_response_kw", "kW", "i4", 0.1, _M, "frequency response power", "频率响应功率"
    ),
    analog("agc_power_kw", "kW", "i4", 0.1, _C, "AGC power request", "AGC 功率请求"),
    analog("regulation_power_kw", "kW", "i4", 0.1, _C, "regulation signal power", "调频信号功率"),
    analog(
        "frequency_request_kw",
        "kW",
        "i4",
        0.1,
        _M,
        "frequency response asked for",
        "频率响应请求功率",
    ),
    analog(
        "reactive_power_target_kvar", "kvar", "i4", 0.1, _I, "reactive power target", "无功功率目标"
    ),
    analog("fast_loop_p99_ms", "ms", "i2", 0.1, _G, "fast loop lateness, p99", "快速环延迟 p99"),
    counter("fast_loop_missed", "", "i4", 1.0, _G, "fast loop deadlines missed", "快速环超时次数"),
)

SIGNALS: Mapping[str, Signal] = MappingProxyType(
    {s.name: s for s in (*_ELECTRICAL, *_BATTERY, *_AUXILIARIES, *_STATION, *ESTIMATES)}
)
"""Every catalogued signal by its canonical name."""
