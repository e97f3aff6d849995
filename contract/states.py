"""What the numbers of state and bit-field signals mean, in words of both languages.

States are values; bits are bit numbers (bit 0 is the least significant). Numbers are part of
the telemetry: a number is never given another meaning, only new ones are added.
"""

from contract.limits import LIMIT_WORDS

State = tuple[int, str, str]
States = tuple[State, ...]

PRESSED: States = ((0, "not pressed", "未按下"), (1, "pressed", "已按下"))
OPEN_CLOSED: States = ((0, "open", "断开"), (1, "closed", "闭合"))
LOCAL_REMOTE: States = ((0, "local", "就地"), (1, "remote", "远方"))
CLEAR_DETECTED: States = ((0, "clear", "正常"), (1, "detected", "检出"))
DOWN_UP: States = ((0, "down", "中断"), (1, "up", "正常"))

PCS_STATE: States = (
    (0, "off", "停机"),
    (1, "standby", "待机"),
    (2, "running", "并网运行"),
    (3, "derated", "降额运行"),
    (4, "fault", "故障"),
    (5, "maintenance", "检修"),
)
RACK_STATE: States = (
    (0, "off", "停运"),
    (1, "idle", "静置"),
    (2, "charging", "充电"),
    (3, "discharging", "放电"),
    (4, "fault", "故障"),
    (5, "isolated", "隔离"),
)
CHILLER_STATE: States = ((0, "off", "停机"), (1, "running", "运行"), (2, "fault", "故障"))
FIRE_STATE: States = (
    (0, "normal", "正常"),
    (1, "pre-alarm", "预警"),
    (2, "fire", "火警"),
    (3, "panel fault", "主机故障"),
)
VENTILATION_STATE: States = ((0, "off", "停止"), (1, "running", "运行"), (2, "fault", "故障"))
PROTECTION_LEVEL: States = (
    (0, "normal", "正常"),
    (1, "warning", "预警"),
    (2, "derated", "降额"),
    (3, "stopped", "停机"),
    (4, "tripped", "跳闸"),
)
DISPATCH_SOURCE: States = (
    (0, "none", "无"),
    (1, "schedule", "计划曲线"),
    (2, "manual", "手动"),
    (3, "safe state", "安全状态"),
    (4, "dispatch centre (AGC)", "调度中心（AGC）"),
    (5, "primary frequency response", "一次调频"),
    (6, "fast frequency response", "快速频率响应"),
    (7, "peak limit", "需量限制"),
    (8, "feed-in limit", "上网功率限制"),
    (9, "SOC balancing", "SOC 均衡"),
    (10, "self-test", "自检"),
    (11, "protection", "保护"),
    (12, "voltage support", "电压支撑"),
)
CONTROL_MODE: States = (
    (0, "idle", "空闲"),
    (1, "schedule", "计划曲线"),
    (2, "manual", "手动"),
    (3, "safe state", "安全状态"),
    (4, "dispatch centre (AGC)", "调度中心（AGC）"),
    (5, "self-test", "自检"),
    (6, "local", "就地"),
    (7, "emergency stop", "急停"),
)

ENERGY_BOUND: States = (
    (0, "nothing", "无"),
    (1, "a cell that is nearly empty", "单体接近放空"),
    (2, "a cell that is nearly full", "单体接近充满"),
    (3, "voltage of a cell", "单体电压"),
    (4, "current limit of the BMS", "BMS 电流限值"),
    (5, "temperature of a cell", "单体温度"),
    (6, "converter power", "变流器功率"),
    (7, "working band of SOC", "SOC 运行区间"),
    (8, "protection", "保护"),
    (9, "rack not available", "电池簇不可用"),
)
ANOMALY_KIND: States = (
    (0, "none", "无"),
    (1, "temperature jump", "温升突跳"),
    (2, "current pulse", "电流脉冲"),
    (3, "SOC drift", "SOC 漂移"),
    (4, "internal short", "内短路"),
    (5, "loose connection", "连接松动"),
    (6, "frozen sensor", "传感器冻结"),
    (7, "biased sensor", "传感器偏差"),
    (8, "low capacity", "容量偏低"),
    (9, "high resistance", "内阻偏高"),
    (10, "unusual pattern", "异常模式"),
)
ANOMALY_LEVEL: States = (
    (0, "none", "无"),
    (1, "notice", "提示"),
    (2, "warning", "预警"),
    (3, "alarm", "告警"),
)
ESTIMATOR_STATE: States = (
    (0, "no data", "无数据"),
    (1, "searching for SOC", "SOC 搜索中"),
    (2, "settled", "已收敛"),
    (3, "resumed, wider than usual", "已恢复（区间放宽）"),
    (4, "inputs stale", "输入过期"),
    (5, "doubtful: voltages unlike the make's", "存疑：电压与电芯型号不符"),
)
MODEL_STATE: States = (
    (0, "none", "无"),
    (1, "in shadow", "影子运行"),
    (2, "promoted", "已启用"),
    (3, "rolled back", "已回退"),
)
LIMIT_REASON: States = tuple((int(r), w.en, w.zh) for r, w in LIMIT_WORDS.items())

PCS_ALARM_BITS: States = (
    (0, "DC overvoltage", "直流过压"),
    (1, "DC undervoltage", "直流欠压"),
    (2, "AC overcurrent", "交流过流"),
    (3, "grid voltage out of range", "电网电压越限"),
    (4, "grid frequency out of range", "电网频率越限"),
    (5, "heatsink overtemperature", "散热器过温"),
    (6, "communication lost", "通信中断"),
    (7, "emergency stop or trip", "急停或跳闸"),
)
RACK_ALARM_BITS: States = (
    (0, "cell overvoltage", "单体过压"),
    (1, "cell undervoltage", "单体欠压"),
    (2, "cell overtemperature", "单体过温"),
    (3, "cell undertemperature", "单体低温"),
    (4, "charge overcurrent", "充电过流"),
    (5, "discharge overcurrent", "放电过流"),
    (6, "cell voltage spread too large", "单体压差过大"),
    (7, "cell temperature spread too large", "单体温差过大"),
    (8, "low insulation", "绝缘过低"),
    (9, "contactor fault", "接触器故障"),
    (10, "internal communication lost", "内部通信中断"),
    (11, "SOC too high", "SOC 过高"),
    (12, "SOC too low", "SOC 过低"),
    (13, "rapid temperature rise", "温升过快"),
)
CHILLER_ALARM_BITS: States = (
    (0, "coolant supply overtemperature", "供液过温"),
    (1, "low coolant flow", "冷却液流量低"),
    (2, "low coolant pressure", "冷却液压力低"),
    (3, "compressor fault", "压缩机故障"),
    (4, "pump fault", "水泵故障"),
    (5, "sensor fault", "传感器故障"),
)
INSULATION_ALARM_BITS: States = (
    (0, "insulation warning", "绝缘预警"),
    (1, "insulation alarm", "绝缘告警"),
    (2, "monitor fault", "绝缘监测装置故障"),
)
FIRE_ALARM_BITS: States = (
    (0, "hydrogen concentration high", "氢气浓度高"),
    (1, "carbon monoxide concentration high", "一氧化碳浓度高"),
    (2, "smoke detected", "检出烟雾"),
    (3, "heat detected", "检出高温"),
    (4, "panel fault", "消防主机故障"),
)
STATION_ALARM_BITS: States = (
    (0, "power not delivered", "功率未达指令"),
    (1, "no valid schedule", "无有效计划曲线"),
    (2, "device data stale", "设备数据过期"),
    (3, "cloud link down", "云端通信中断"),
    (4, "telemetry queue filling", "遥测队列积压"),
    (5, "order refused", "指令被拒绝"),
    (6, "protocol driver restarted", "协议驱动重启"),
    (7, "protection acting", "保护动作"),
    (8, "clock not synchronised", "时钟未同步"),
)
