from station.protocols.driver import MissedReading
from station.protocols.missed import MissedReadings, report


def missed(number: int, kind: str = "torn") -> MissedReading:
    return MissedReading("C1-R10", "rack.cells/416", number, kind, "the clock moved on")


def test_what_was_missed_is_counted_by_kind_over_all_drivers():
    one, other = MissedReadings(), MissedReadings()
    one.note(missed(1))
    one.note(missed(3, "no_answer"))
    other.note(missed(2))

    told = report([one, other])

    assert told["counts"] == {"torn": 2, "no_answer": 1}
    assert [entry["time_ms"] for entry in told["newest"]] == [1, 2, 3]
    assert told["newest"][0] == {
        "device": "C1-R10",
        "layout": "rack.cells/416",
        "time_ms": 1,
        "reason": "the clock moved on",
    }


def test_only_the_newest_are_named_but_all_are_counted():
    many = MissedReadings()
    for number in range(1000):
        many.note(missed(number))

    told = report([many])

    assert told["counts"]["torn"] == 1000
    assert len(told["newest"]) == 200
    assert told["newest"][-1]["time_ms"] == 999
