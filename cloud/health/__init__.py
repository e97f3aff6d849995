"""What becomes of batteries over years: when a rack should be retired. The room's public face."""

from cloud.health.retirement import (
    CONDITION_TEXTS,
    VERDICT_TEXTS,
    Crossing,
    HealthPoint,
    Outlook,
    RackOutlook,
    Verdict,
    outlook,
    outlooks,
)
from cloud.health.rule import RetirementRule, load_retirement_rule, rule_in_words

__all__ = [
    "CONDITION_TEXTS",
    "VERDICT_TEXTS",
    "Crossing",
    "HealthPoint",
    "Outlook",
    "RackOutlook",
    "RetirementRule",
    "Verdict",
    "load_retirement_rule",
    "outlook",
    "outlooks",
    "rule_in_words",
]
