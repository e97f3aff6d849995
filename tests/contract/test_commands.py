import json
import zlib
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import commands
from contract.commands import SOURCES, CommandRecord, CommandState, from_json, shown, to_json
from contract.errors import CommandError
from contract.states import DISPATCH_SOURCE
from contract.words import Words
from tests.contract.test_orders import PLAIN

T0 = 1_795_000_000_000
RECORD = CommandRecord(
    id="0d0cbb3a-6f3c-4d0e-9d8c-0a8f3c8b6f11",
    station="jinshan-1",
    device="C1-PCS",
    point="active_power_setpoint_kw",
    value=1234.5,
    source="schedule",
    requester="order-7",
    bound_by="SOC band",
    state=CommandState.FAILED,
    reason="not delivered",
    issued_ms=T0,
    accepted_ms=T0 + 12,
    settled_ms=T0 + 15_000,
    cause_en="converter derated",
    cause_zh="变流器降额",
)
TEXT = st.text(max_size=60).map(shown)
NAME = TEXT.filter(bool)
TIME = st.integers(1, (1 << 53) - 1)
RECORDS = st.builds(
    CommandRecord,
    id=NAME,
    station=st.just("s"),
    device=NAME,
    point=NAME,
    value=st.floats(-(2.0**52), 2.0**52) | st.integers(-(2**52), 2**52),
    source=st.sampled_from([*SOURCES]),
    requester=TEXT,
    bound_by=TEXT,
    state=st.sampled_from(CommandState),
    reason=TEXT,
    issued_ms=TIME | st.just(0),
    accepted_ms=TIME,
    settled_ms=TIME,
    cause_en=TEXT,
    cause_zh=TEXT,
)


def packed(value: object) -> bytes:
    return zlib.compress(json.dumps(value).encode())


@given(st.lists(RECORDS, max_size=30))
def test_commands_survive_their_json(records):
    assert from_json(to_json(records)) == records


def test_a_second_of_a_fast_loop_takes_few_bytes_a_command():
    records = [
        replace(
            RECORD, id=f"{n:032x}", value=1500.0 + n, issued_ms=T0 + 50 * n, device=f"C{n % 2}-PCS"
        )
        for n in range(40)
    ]

    assert len(to_json(records)) < 60 * len(records)


@given(PLAIN)
def test_any_other_json_is_refused(value):
    with pytest.raises(CommandError):
        from_json(packed(value))


COLUMNS = [f.name for f in fields(CommandRecord)] + ["texts"]


@given(st.sampled_from(COLUMNS), PLAIN | st.lists(PLAIN, min_size=2, max_size=2))
def test_one_odd_column_is_refused_or_survives(name, value):
    found = json.loads(zlib.decompress(to_json([RECORD, replace(RECORD, id="other")])))
    found[name] = value

    try:
        read = from_json(packed(found))
    except CommandError:
        return
    assert from_json(to_json(read)) == read


def test_the_command_that_is_wrong_is_named():
    found = json.loads(zlib.decompress(to_json([RECORD, replace(RECORD, id="other")])))
    found["value"][1] = "much"

    with pytest.raises(CommandError, match=r"command 1: value 'much' must be a finite number"):
        from_json(packed(found))


@given(st.binary(max_size=200))
def test_noise_is_refused(noise):
    with pytest.raises(CommandError):
        from_json(noise)


@pytest.mark.parametrize(
    "blob",
    [
        pytest.param(packed([])[:-1], id="cut-off"),
        pytest.param(packed([]) + b"x", id="followed-by-more"),
        pytest.param(zlib.compress(b" " * (64 << 20)), id="a-bomb"),
        pytest.param(zlib.compress(b"[" * 100_000), id="nested"),
        pytest.param(bytes(5 << 20), id="too-long"),
        pytest.param(packed({"station": "s"}), id="columns-missing"),
    ],
)
def test_hostile_bytes_are_refused(blob):
    with pytest.raises(CommandError):
        from_json(blob)


def test_too_many_commands_and_those_of_several_stations_are_refused():
    with pytest.raises(CommandError, match="at most"):
        to_json([RECORD, replace(RECORD, station="other")])
    with pytest.raises(CommandError, match="at most"):
        to_json([RECORD] * (commands.MAX_COMMANDS + 1))

    found = json.loads(zlib.decompress(to_json([RECORD] * commands.MAX_COMMANDS)))
    for name, column in found.items():
        if name not in ("texts", "station"):
            column.append(0)
    with pytest.raises(CommandError, match="at most"):
        from_json(packed(found))


@pytest.mark.parametrize(
    "changes",
    [
        {"id": ""},
        {"device": "x" * 65},
        {"point": "a\nb"},
        {"value": float("nan")},
        {"value": True},
        {"value": "1"},
        {"source": ""},
        {"source": "Somebody"},
        {"state": "failed"},
        {"issued_ms": -1},
        {"issued_ms": 1.5},
        {"settled_ms": 1 << 53},
        {"settled_ms": 0},
        {"state": CommandState.ACCEPTED, "accepted_ms": 0},
        {"reason": "x" * 501},
        {"cause_zh": "\0"},
    ],
)
def test_a_command_that_no_reader_could_show_cannot_be_built(changes):
    with pytest.raises(CommandError):
        replace(RECORD, **changes)


def test_a_later_state_is_newer_and_of_settled_ones_the_later_one():
    life = [
        replace(RECORD, state=CommandState.ISSUED, accepted_ms=0, settled_ms=0),
        replace(RECORD, state=CommandState.ACCEPTED, settled_ms=0),
        replace(RECORD, state=CommandState.UNKNOWN, settled_ms=T0 + 1),
        replace(RECORD, state=CommandState.DELIVERED, settled_ms=T0 + 2),
    ]

    assert sorted(life, key=lambda record: record.age) == life


def test_every_dispatch_source_has_a_name_and_its_words():
    assert list(SOURCES.values()) == [Words(en, zh) for _, en, zh in DISPATCH_SOURCE]


@given(st.text(max_size=700))
def test_any_text_of_a_device_can_be_carried_when_shortened(text):
    assert replace(RECORD, reason=shown(text)).reason == shown(shown(text))
