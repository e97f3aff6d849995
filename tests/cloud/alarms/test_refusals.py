"""Which act each alarm refuses, by the code that programs and pages know it by."""

import pytest

from cloud.alarms.definitions import load
from cloud.alarms.refusals import Why, refusal
from cloud.alarms.states import ACTS, Change, Life, State

RACK, FIRE = load().find("rack.alarm", "x"), load().find("fire.alarm")
STANDS, ANSWERED = Life(State.UNACKNOWLEDGED), Life(State.ACKNOWLEDGED)
GONE, LATCHED, NORMAL = Life(State.RETURNED), Life(State.LATCHED), Life()
SHELVED = Life(State.UNACKNOWLEDGED, shelved_until_ms=1)
OUT = Life(State.UNACKNOWLEDGED, out_of_service=True)


@pytest.mark.parametrize(
    ("life", "rule", "change", "why"),
    [
        (STANDS, RACK, Change.ACKNOWLEDGED, None),
        (GONE, RACK, Change.ACKNOWLEDGED, None),
        (ANSWERED, RACK, Change.ACKNOWLEDGED, Why.NOTHING_TO_ACKNOWLEDGE),
        (NORMAL, RACK, Change.ACKNOWLEDGED, Why.NOTHING_TO_ACKNOWLEDGE),
        (SHELVED, RACK, Change.ACKNOWLEDGED, Why.SILENT),
        (OUT, RACK, Change.ACKNOWLEDGED, Why.SILENT),
        (LATCHED, FIRE, Change.RESET, None),
        (GONE, FIRE, Change.RESET, Why.NOT_ACKNOWLEDGED),
        (ANSWERED, FIRE, Change.RESET, Why.CONDITION_STANDS),
        (NORMAL, FIRE, Change.RESET, Why.NOT_LATCHED),
        (STANDS, RACK, Change.SHELVED, None),
        (STANDS, FIRE, Change.SHELVED, Why.SAFETY),
        (OUT, RACK, Change.SHELVED, Why.OUT_OF_SERVICE),
        (SHELVED, RACK, Change.UNSHELVED, None),
        (STANDS, RACK, Change.UNSHELVED, Why.NOT_SHELVED),
        (STANDS, FIRE, Change.TAKEN_OUT, None),
        (OUT, FIRE, Change.TAKEN_OUT, Why.OUT_OF_SERVICE),
        (OUT, FIRE, Change.PUT_BACK, None),
        (STANDS, FIRE, Change.PUT_BACK, Why.IN_SERVICE),
    ],
)
def test_an_act_that_an_alarm_does_not_allow_is_refused_by_its_rule(life, rule, change, why):
    found = refusal(life, rule, change)

    assert (None if found is None else found.code) == why


def test_a_refusal_names_the_alarm_in_its_text():
    for change in ACTS:
        found = refusal(NORMAL, FIRE, change)
        assert found is None or found.text.startswith(f"{FIRE.words().en}: "), change
