"""The types of IEC 60870-5-101 (clause 7.3) that a point list may use, and what they can carry.

A monitored type ends in a letter that says whether a time tag (CP56Time2a) travels with the value.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Form(StrEnum):
    """How a value travels."""

    SINGLE = "single"
    DOUBLE = "double"
    NORMALIZED = "normalized"
    SCALED = "scaled"
    SHORT = "short"


@dataclass(frozen=True)
class TypeFacts:
    """What a type is: its form, and whether a time travels with it."""

    form: Form
    tagged: bool


MONITORED: Mapping[str, TypeFacts] = {
    "M_SP_NA_1": TypeFacts(Form.SINGLE, tagged=False),
    "M_SP_TB_1": TypeFacts(Form.SINGLE, tagged=True),
    "M_DP_NA_1": TypeFacts(Form.DOUBLE, tagged=False),
    "M_DP_TB_1": TypeFacts(Form.DOUBLE, tagged=True),
    "M_ME_NA_1": TypeFacts(Form.NORMALIZED, tagged=False),
    "M_ME_TD_1": TypeFacts(Form.NORMALIZED, tagged=True),
    "M_ME_NB_1": TypeFacts(Form.SCALED, tagged=False),
    "M_ME_TE_1": TypeFacts(Form.SCALED, tagged=True),
    "M_ME_NC_1": TypeFacts(Form.SHORT, tagged=False),
    "M_ME_TF_1": TypeFacts(Form.SHORT, tagged=True),
}
CONTROLLED: Mapping[str, TypeFacts] = {
    "C_SC_NA_1": TypeFacts(Form.SINGLE, tagged=False),
    "C_SC_TA_1": TypeFacts(Form.SINGLE, tagged=True),
    "C_SE_NA_1": TypeFacts(Form.NORMALIZED, tagged=False),
    "C_SE_TA_1": TypeFacts(Form.NORMALIZED, tagged=True),
    "C_SE_NB_1": TypeFacts(Form.SCALED, tagged=False),
    "C_SE_TB_1": TypeFacts(Form.SCALED, tagged=True),
    "C_SE_NC_1": TypeFacts(Form.SHORT, tagged=False),
    "C_SE_TC_1": TypeFacts(Form.SHORT, tagged=True),
}
