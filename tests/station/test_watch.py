"""What the controller watches beside the devices."""

from types import SimpleNamespace

from station.alarms import AlarmBook
from station.fast_clock import Cadence
from station.watch import Watch
from tests.station.test_fast_clock import passes

T0 = 1_795_000_000_000


def test_a_fast_loop_that_misses_its_deadline_tells_the_gap_and_what_is_allowed():
    alarms, cadence = AlarmBook("site-1"), Cadence(0.05)
    nothing = SimpleNamespace(restarts={})
    watch = Watch(nothing, nothing, nothing, nothing, alarms)

    passes(cadence, 0.0, 0.05, 0.1)
    watch.note_happenings(T0, 0, cadence)
    quiet = alarms.update([], T0)
    passes(cadence, 0.22, 0.27)
    watch.note_happenings(T0 + 1000, 0, cadence)
    (told,) = alarms.update([], T0 + 1000)

    assert quiet == []
    assert (told.code, told.value, told.limit) == ("control.fast_overrun", 120.0, 75.0)
