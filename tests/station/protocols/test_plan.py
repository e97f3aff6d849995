from hypothesis import given, settings
from hypothesis import strategies as st

from station.protocols.modbus import profile as profiles
from station.protocols.modbus.plan import Span, coalesce, plan_for
from station.protocols.modbus.profile import Space

spans = st.builds(
    lambda space, address, unit, values: Span(space, address, unit * values, unit),
    st.sampled_from([Space.INPUT, Space.HOLDING]),
    st.integers(0, 4000),
    st.sampled_from([1, 2, 4]),
    st.integers(1, 300),
)


@settings(deadline=None)
@given(st.lists(spans, min_size=1, max_size=20), st.integers(0, 30), st.integers(4, 125))
def test_every_value_lies_whole_in_one_block_of_allowed_size(wanted, max_gap, limit):
    blocks = coalesce(wanted, max_gap=max_gap, max_registers=limit)

    assert all(1 <= block.count <= limit for block in blocks)
    for span in wanted:
        for address in range(span.address, span.address + span.count, span.unit):
            assert any(
                block.space is span.space
                and block.address <= address
                and address + span.unit <= block.address + block.count
                for block in blocks
            )


@settings(deadline=None)
@given(st.lists(spans, min_size=1, max_size=20), st.integers(0, 30))
def test_no_request_reads_more_for_nothing_than_the_gap_allows(wanted, max_gap):
    blocks = coalesce(wanted, max_gap=max_gap, max_registers=125)

    needed = {(s.space, a) for s in wanted for a in range(s.address, s.address + s.count)}
    for block in blocks:
        run = 0
        for address in range(block.address, block.address + block.count):
            run = 0 if (block.space, address) in needed else run + 1
            assert run <= max_gap


def test_a_rack_of_416_cells_takes_one_summary_request_and_four_for_each_cell_area():
    plan = plan_for(profiles.load("bms-416.toml"))

    asked = [(block.space, block.address, block.count) for block in plan.blocks]
    assert asked[0] == (Space.INPUT, 0, 30)
    assert [a for a in asked if 1000 <= a[1] < 1416] == asked[1:5]
    assert [a for a in asked if 2000 <= a[1] < 2416] == asked[5:]
    assert asked[-1][1] + asked[-1][2] == 2416


def test_the_block_with_the_device_time_is_asked_first():
    plan = plan_for(profiles.load("fire.toml"))

    assert plan.blocks[0].space is Space.INPUT
    assert plan.blocks[0].address == 0
    assert plan.blocks[1].space is Space.DISCRETE
