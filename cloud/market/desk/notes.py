"""Notes of drafts in Chinese: what was assumed, filled or missed; they arise in English."""

import re
from typing import Final

_EXACT: Final = {
    "the station promises no energy at present: its plate is used": (
        "电站目前未给出可承诺电量：按铭牌参数计"
    ),
    (
        "the drafting did not end in time: planned on the prices of the last days, with half of"
        " the power"
    ): "编制未按时完成：按近日价格、一半功率编制",
    "says what cannot be": "预测值不合理",
    "price": "价格",
    "SOC at the end of the day": "期末 SOC",
    "SOC held for another purpose": "留作他用的 SOC",
    "cycles of the warranty": "质保循环次数",
    "power promised already": "已承诺功率",
    "standing still": "静置",
    "capacity promised already": "已承诺容量",
}
_PATTERNS: Final = (
    (r"efficiency is not known yet: (\S+) both ways is assumed", "效率尚未测得：按往返效率 {0} 计"),
    (r"short history: ([\d,]+) of ([\d,]+) days", "历史数据较短：{0} 天（应有 {1} 天）"),
    (r"(.+): (\d+) values missing, filled from the week before", "{0}：缺 {1} 个值，以上周补齐"),
    (r"(.+): (\d+) absurd values, filled from the week before", "{0}：{1} 个异常值，以上周替代"),
    (r"(.+): less than (\S+) of its days are known: left out", "{0}：已知天数不足 {1}，未采用"),
    (r"(.+?): (.+): the week before stands in", "{0}：{1}，以上周代替"),
    (r"the plan may be (\S+) short of the best one", "计划与最优解之差最多 {0}"),
    (
        r"planned with (\S+) of the power, so that its CVaR stays within the desk's limit of (\S+)",
        "按 {0} 的功率编制，使 CVaR 不超过交易台限额 {1}",
    ),
    (
        r"bid by curves of policy (\S+), which passed the gate on (\S+)",
        "按策略 {0} 的曲线申报（{1} 通过准入）",
    ),
    (
        r"bid by curves of opportunity values: no policy has passed the gate",
        "按机会价值曲线申报：尚无策略通过准入",
    ),
    (
        r"bid by curves of opportunity values: the files of .+ are missing or altered",
        "按机会价值曲线申报：已通过准入的策略文件缺失或被改动",
    ),
    (
        r"bid by curves of opportunity values: the policy .+ earned less since and is withdrawn",
        "按机会价值曲线申报：已通过准入的策略此后收益较低，已撤回",
    ),
    (r"bid by curves of opportunity values", "按机会价值曲线申报"),
    (
        r"charging may cost (\S+) (\S+) more today: (\S+) and what the day earns, (\S+) so far",
        "今日充电支出还可为 {0} {1}：上限 {2} 加当日净收入（至今 {3}）",
    ),
    (r"no curve could be made, the plan's bid stands: (.+)", "无法形成曲线，按计划申报：{0}"),
    (
        r"(.+): missed by (\S+) (\S+); asked for an SOC of (\S+) % or more at the end",
        "{0}：差 {1} {2}；要求期末 SOC 不低于 {3}%",
    ),
    (
        r"(.+): missed by (\S+) (\S+); asked for (\S+) full cycles at the most",
        "{0}：超出 {1} {2}；要求不超过 {3} 次满循环",
    ),
)


def note_zh(note: str) -> str:
    """Return a note in Chinese; one that is not known stays as it is.

    Args:
        note: as `cloud.market.desk.drafting`, the forecasts or the station's battery have said it.
    """
    for pattern, words in _PATTERNS:
        found = re.fullmatch(pattern, note)
        if found:
            return words.format(*(_EXACT.get(part, part) for part in found.groups()))
    return _EXACT.get(note, note)
