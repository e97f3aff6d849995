"""What the log says of the time before a gate."""

import pytest

from cloud.market.bids.deadlines import left


@pytest.mark.parametrize(
    ("ms", "told"),
    [
        (3_600_000, "60 minutes"),
        (899_500, "15 minutes"),
        (59_400, "1 minute"),
        (14_600, "15 seconds"),
        (900, "1 second"),
        (-5, "0 seconds"),
    ],
)
def test_the_time_before_a_gate_is_told_in_minutes_and_below_one_in_seconds(ms: int, told: str):
    assert left(ms) == told
