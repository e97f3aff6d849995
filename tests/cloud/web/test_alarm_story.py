import pytest

from cloud.web.alarm_story import merged, plain

MINUS = "\N{MINUS SIGN}"


def line(text: str, at_ms: int, *, first: bool = False):
    return {
        "text": text,
        "device": "C1-PCS",
        "tags": [],
        "detail": "",
        "priority": None,
        "at_ms": at_ms,
        "first": first,
        "own": False,
    }


def test_what_is_said_again_within_a_second_is_one_line_with_its_number():
    told = merged([line("stop", 0), line("open", 100), line("stop", 400), line("stop", 1_000)])

    assert [(one["text"], one["at_ms"], one["tags"]) for one in told] == [
        ("stop", 0, [("\N{MULTIPLICATION SIGN} 3", False)]),
        ("open", 100, []),
    ]


def test_what_is_said_again_later_or_is_the_first_out_stays_a_line():
    assert len(merged([line("stop", 0), line("stop", 1_001)])) == 2
    assert len(merged([line("stop", 0), line("stop", 1, first=True)])) == 2


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("reset: reset: done", "reset: done"),
        ("order accepted: reset: reset: done", "order accepted: reset: done"),
        ("复归：复归：完成", "复归：完成"),
        ("power is -0.0 kW", "power is 0.0 kW"),
        (f"power is {MINUS}0 kW", "power is 0 kW"),
        ("power is -0.5 kW", "power is -0.5 kW"),
        ("power is -0.01 kW", "power is -0.01 kW"),
        ("2026-01-01 C1-0", "2026-01-01 C1-0"),
    ],
)
def test_a_prefix_is_told_once_and_zero_has_no_sign(told, shown):
    assert plain(told) == shown
