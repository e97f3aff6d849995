"""What a dispatch centre may write, and what becomes of it when its heartbeat stays away."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station.centre.port import CentreRequest
from station.centre.requests import (
    ENABLE,
    HEARTBEAT,
    MODE,
    POWER,
    REACTIVE,
    REFUSAL_WORDS,
    SIZE,
    Refusal,
    Registers,
    Requests,
)

TIMEOUT_S = 10.0
NOW_MS = 1_790_000_000_000


def fresh() -> Requests:
    return Requests(1500.0, 900.0, TIMEOUT_S, 0.0)


def pair(value: int) -> list[int]:
    return [value >> 16 & 0xFFFF, value & 0xFFFF]


def whole(heartbeat=1, enable=1, power=-12_000, reactive=0, mode=0) -> list[int]:
    return Registers(heartbeat, enable, power, reactive, mode).words()


def test_before_anything_is_written_there_is_no_request_and_the_centre_has_time_to_come():
    requests = fresh()

    assert requests.request(5.0) is None
    assert not requests.lost(5.0)
    assert requests.lost(10.5)


def test_one_write_of_everything_is_taken_whole():
    requests = fresh()

    assert requests.write(HEARTBEAT, whole(reactive=-250, mode=1), 2.0, NOW_MS) is Refusal.NONE

    assert requests.request(3.5) == CentreRequest(True, -1200.0, -25.0, NOW_MS, 1500)


def test_reactive_power_is_left_alone_in_mode_0():
    requests = fresh()
    requests.write(HEARTBEAT, whole(reactive=500, mode=0), 2.0, NOW_MS)

    request = requests.request(2.0)

    assert request is not None
    assert request.reactive_kvar is None


@pytest.mark.parametrize(
    ("address", "values", "refusal"),
    [
        (POWER, [1], Refusal.VALUE_SPLIT),
        (POWER + 1, [1], Refusal.VALUE_SPLIT),
        (HEARTBEAT, [5, 1, 0], Refusal.VALUE_SPLIT),
        (POWER + 1, [0, 0, 0], Refusal.VALUE_SPLIT),
        (REACTIVE + 1, [0, 1], Refusal.VALUE_SPLIT),
        (ENABLE, [2], Refusal.NOT_A_SWITCH),
        (MODE, [7], Refusal.NOT_A_SWITCH),
        (POWER, pair(15_001), Refusal.POWER_OUT_OF_RANGE),
        (POWER, pair(-15_001), Refusal.POWER_OUT_OF_RANGE),
        (REACTIVE, pair(9_001), Refusal.REACTIVE_OUT_OF_RANGE),
        (SIZE, [0], Refusal.NO_SUCH_REGISTER),
        (MODE, [1, 1], Refusal.NO_SUCH_REGISTER),
        (HEARTBEAT, whole(heartbeat=9, power=15_001), Refusal.POWER_OUT_OF_RANGE),
    ],
)
def test_a_wrong_write_is_refused_and_changes_nothing(address, values, refusal):
    requests = fresh()
    requests.write(HEARTBEAT, whole(), 1.0, NOW_MS)
    before = requests.registers

    assert requests.write(address, values, 2.0, NOW_MS + 1000) is refusal

    assert requests.registers == before
    assert requests.refusal is refusal
    assert requests.request(2.0) == CentreRequest(True, -1200.0, None, NOW_MS, 1000)


def test_control_cannot_be_taken_without_an_active_power():
    requests = fresh()

    assert requests.write(ENABLE, [1], 1.0, NOW_MS) is Refusal.NO_SET_POINT
    assert requests.write(POWER, pair(500), 1.0, NOW_MS) is Refusal.NONE
    assert requests.write(ENABLE, [1], 1.0, NOW_MS) is Refusal.NONE

    request = requests.request(1.0)
    assert request is not None
    assert (request.enabled, request.power_kw) == (True, 50.0)


def test_a_heartbeat_that_stands_still_loses_the_request_and_it_never_comes_back_by_itself():
    requests = fresh()
    requests.write(HEARTBEAT, whole(heartbeat=1), 1.0, NOW_MS)
    requests.write(HEARTBEAT, [1], 9.0, NOW_MS)  # the same number is no sign of life

    assert requests.request(11.0) is not None
    assert requests.request(11.5) is None
    assert requests.lost(11.5)

    assert requests.write(POWER, pair(10), 12.0, NOW_MS) is Refusal.NO_HEARTBEAT
    assert requests.write(HEARTBEAT, [2], 12.0, NOW_MS) is Refusal.NONE
    assert not requests.lost(12.0)
    assert requests.request(12.0) is None
    assert requests.write(ENABLE, [1], 12.0, NOW_MS) is Refusal.NO_SET_POINT
    assert requests.write(ENABLE, [1, *pair(700)], 12.0, NOW_MS) is Refusal.NONE
    assert requests.request(12.0) is not None


def test_a_heartbeat_alone_keeps_the_request_and_its_time():
    requests = fresh()
    requests.write(HEARTBEAT, whole(heartbeat=1), 1.0, NOW_MS)
    for beat in range(2, 12):
        requests.write(HEARTBEAT, [beat], beat * 5.0, NOW_MS + beat)

    assert requests.request(56.0) == CentreRequest(True, -1200.0, None, NOW_MS, 1000)


def test_every_refusal_has_words_in_both_languages():
    assert set(REFUSAL_WORDS) == set(Refusal)
    assert all(english and chinese for english, chinese in REFUSAL_WORDS.values())


writes = st.tuples(
    st.integers(0, SIZE), st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=SIZE + 1)
)


@settings(deadline=None)
@given(st.lists(st.tuples(writes, st.floats(0, 8)), max_size=30))
def test_no_sequence_of_writes_asks_beyond_the_rating_or_outlives_the_heartbeat(steps):
    requests, now_s = fresh(), 0.0
    for (address, values), pause_s in steps:
        now_s += pause_s
        before = requests.registers
        refusal = requests.write(address, values, now_s, NOW_MS)
        if refusal is not Refusal.NONE:
            assert requests.registers.words()[1:] in (before.words()[1:], [0] * (SIZE - 1))
        request = requests.request(now_s)
        if request is not None:
            assert abs(request.power_kw) <= 1500.0
            assert request.heartbeat_ms <= TIMEOUT_S * 1000
            assert request.reactive_kvar is None or abs(request.reactive_kvar) <= 900.0
    assert requests.request(now_s + TIMEOUT_S + 1) is None


@given(st.builds(
    Registers,
    st.integers(0, 0xFFFF), st.integers(0, 0xFFFF),
    st.integers(-(2**31), 2**31 - 1), st.integers(-(2**31), 2**31 - 1),
    st.integers(0, 0xFFFF),
))  # fmt: skip
def test_registers_read_back_as_they_were_written(registers):
    assert Registers.of(registers.words()) == registers
