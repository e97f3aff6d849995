from hypothesis import given
from hypothesis import strategies as st

from cloud.access import throttle
from cloud.access.throttle import FREE_FAILURES, LONGEST_WAIT_S, wait_after


@given(st.integers(0, 10_000))
def test_the_wait_never_shrinks_with_failures_and_never_exceeds_a_quarter_of_an_hour(failures):
    assert wait_after(failures) <= wait_after(failures + 1) <= LONGEST_WAIT_S


def test_the_first_failures_are_free_and_then_the_wait_doubles():
    assert [wait_after(n) for n in range(FREE_FAILURES + 4)] == [0, 0, 0, 0, 0, 2, 4, 8]


async def test_only_failures_since_the_last_success_from_this_address_count(pool):
    for _ in range(FREE_FAILURES + 3):
        await throttle.note_attempt(pool, "ann", "10.0.0.1", succeeded=False)

    assert 0 < await throttle.seconds_to_wait(pool, "ann", "10.0.0.1") <= 8
    assert await throttle.seconds_to_wait(pool, "ann", "10.0.0.2") == 0
    assert await throttle.seconds_to_wait(pool, "bob", "10.0.0.1") == 0

    await throttle.note_attempt(pool, "ann", "10.0.0.1", succeeded=True)

    assert await throttle.seconds_to_wait(pool, "ann", "10.0.0.1") == 0
