from dataclasses import replace

import numpy as np
import pytest

from contract.words import Words
from station.estimation import Answer, Doubt, Finding, ModelReport, Report
from station.estimator_findings import (
    AGREES_S,
    DIFFERS_S,
    DOUBTS_S,
    Anomalies,
    Disagreement,
    Doubts,
    UnusedSohModel,
)
from tests.station.site import Plant, site_config

RACKS = ["C1-R01", "C1-R02"]
T0_MS = 1_700_000_000_000
REPORT = Report(ModelReport("/m", "m", 1, 1.0, 1.0, 0.01), None, 1, 0.1, "")


def answer(at_ms: int = T0_MS, level: float = 0.0, *findings: Finding, soc: float = 0.5) -> Answer:
    racks = {"soc_estimate": np.full(2, soc, np.float32)}
    racks["soc_half_width"] = np.full(2, 0.02, np.float32)
    racks["anomaly_level"] = np.array([level, 0.0], np.float32)
    return Answer(at_ms, {}, racks, {}, REPORT, findings)


@pytest.fixture
def image(tmp_path):
    plant = Plant(site_config(tmp_path))
    plant.rack = {"C1-R01": {"soc": 0.6}, "C1-R02": {"soc": 0.5}}
    plant.second(T0_MS)
    return plant.image.freeze(T0_MS, T0_MS)


def test_a_bms_that_stays_outside_the_interval_is_told_after_a_while_and_until_it_agrees(image):
    watch = Disagreement()
    for _ in range(DIFFERS_S - 1):
        watch.note(image, RACKS, answer())
    early = list(watch.conditions())
    watch.note(image, RACKS, answer())
    (told,) = watch.conditions()
    for _ in range(AGREES_S - 1):
        watch.note(image, RACKS, answer(soc=0.6))
    still = list(watch.conditions())
    watch.note(image, RACKS, answer(soc=0.6))

    assert early == []
    assert (told.code, told.device) == ("estimator.soc_differs", "C1-R01")
    assert told.value == pytest.approx(0.1, abs=1e-3)
    assert "+10.0 %" in told.detail.en
    assert [c.device for c in still] == ["C1-R01"]
    assert "C1-R01" not in [c.device for c in watch.conditions()]


def test_an_anomaly_holds_from_its_beginning_until_its_level_is_none():
    watch = Anomalies()
    short = Finding(0, 7, 4, 3, "loses charge.", "失去电量。", T0_MS - 3_600_000)

    watch.note(RACKS, answer(T0_MS, 3.0, short))
    (told,) = watch.conditions()
    watch.note(RACKS, answer(T0_MS + 1000, 3.0))
    later = list(watch.conditions())
    watch.note(RACKS, answer(T0_MS + 2000, 0.0))

    assert (told.code, told.device, told.tag) == ("anomaly.alarm", "C1-R01", "4.7")
    assert "loses charge" in told.detail.en
    assert "60 min" in told.detail.en
    assert "60 分钟" in told.detail.zh
    assert later == [told]
    assert list(watch.conditions()) == []


def test_doubt_of_a_make_is_told_when_it_lasts_and_until_it_has_gone_as_long():
    watch, ends_s, told = Doubts(), 2 * DOUBTS_S, []
    for second in range(4 * DOUBTS_S):
        doubts = (Doubt(1, 3, 7),) if second <= ends_s else ()
        watch.note(RACKS, replace(answer(T0_MS + 1000 * second), doubts=doubts))
        told.append(list(watch.conditions()))

    assert told[DOUBTS_S - 1] == []
    (begun,) = told[DOUBTS_S]
    assert (begun.code, begun.device, begun.value) == ("estimator.doubtful", "C1-R02", 3.0)
    assert "cell 7" in begun.detail.en
    assert told[ends_s + DOUBTS_S - 1] == [begun]
    assert told[ends_s + DOUBTS_S] == []


def test_doubt_that_comes_and_goes_is_not_told():
    watch = Doubts()
    for second in range(3 * DOUBTS_S):
        doubts = (Doubt(0, 1, 1),) if second % 10 else ()
        watch.note(RACKS, replace(answer(T0_MS + 1000 * second), doubts=doubts))

    assert list(watch.conditions()) == []


def test_an_soh_model_that_is_not_used_is_told_with_its_reason_while_it_is_there():
    watch = UnusedSohModel()
    other = replace(REPORT, soh_unused=Words("is of another make", "型号不符"))

    watch.note(replace(answer(), report=other))
    (told,) = watch.conditions()
    watch.note(answer())

    assert (told.code, told.device) == ("estimator.soh_model_unused", "STATION")
    assert "another make" in told.detail.en
    assert list(watch.conditions()) == []
