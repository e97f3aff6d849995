import gc
import os
import threading

import pytest

from station.realtime import ask_for_priority, spare_the_collector


def in_a_thread(work) -> list:
    """Run in a thread of its own, so that the tests' own thread keeps its class."""
    found: list = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found


def policy() -> int:
    return os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK


def test_no_priority_asked_for_changes_nothing():
    def work():
        return ask_for_priority(0, threads_too=True), policy()

    assert in_a_thread(work) == [(False, os.SCHED_OTHER)]


@pytest.mark.parametrize("threads_too", [False, True])
def test_what_the_kernel_grants_is_what_is_told(threads_too):
    def work():
        granted = ask_for_priority(5, threads_too=threads_too)
        return granted, policy(), in_a_thread(policy)[0]

    ((granted, own, child),) = in_a_thread(work)

    assert own == (os.SCHED_RR if granted else os.SCHED_OTHER)
    assert child == (os.SCHED_RR if granted and threads_too else os.SCHED_OTHER)


def test_a_level_that_the_kernel_does_not_know_is_refused_and_the_station_goes_on():
    assert in_a_thread(lambda: (ask_for_priority(200, threads_too=False), policy())) == [
        (False, os.SCHED_OTHER)
    ]


def test_what_is_there_when_the_loops_begin_is_collected_no_more():
    before = gc.get_freeze_count()
    try:
        spare_the_collector()

        assert gc.get_freeze_count() > before
        assert len(gc.get_objects()) < gc.get_freeze_count()
    finally:
        gc.unfreeze()
