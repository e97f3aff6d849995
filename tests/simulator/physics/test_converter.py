import pytest

from simulator.physics.converter import (
    ALARM_TRIP,
    Converter,
    ConverterParameters,
    Denial,
    PcsState,
    Point,
)

RATED_W = 1.725e6
BUS_V = 1370.0


@pytest.fixture
def converter() -> Converter:
    return Converter(ConverterParameters(RATED_W), ambient_c=25.0)


@pytest.mark.parametrize(
    ("part", "low", "high"), [(0.1, 0.95, 0.975), (0.5, 0.98, 0.99), (1.0, 0.98, 0.99)]
)
def test_efficiency_follows_the_curve_of_a_central_converter(converter, part, low, high):
    converter.command(Point.ACTIVE_POWER, part * RATED_W)
    converter.want(BUS_V, 1.0)

    dc_w = converter.want(BUS_V, 1.0)

    assert low < part * RATED_W / dc_w < high


def test_full_power_is_reached_in_one_second_and_reversed_in_two(converter):
    converter.command(Point.ACTIVE_POWER, RATED_W)
    converter.want(BUS_V, 0.5)
    assert converter.active_w == pytest.approx(RATED_W / 2)

    converter.want(BUS_V, 0.5)
    converter.command(Point.ACTIVE_POWER, -RATED_W)
    converter.want(BUS_V, 1.0)
    assert converter.active_w == pytest.approx(0.0)


def test_commands_are_refused_beyond_the_rating_in_local_and_when_tripped(converter):
    assert converter.refusal(Point.ACTIVE_POWER, RATED_W) is None
    assert converter.refusal(Point.ACTIVE_POWER, -1.01 * RATED_W) is Denial.RATING
    assert converter.refusal(Point.ACTIVE_POWER, float("nan")) is Denial.NOT_A_NUMBER
    converter.local = True
    assert converter.refusal(Point.STOP, 1.0) is Denial.LOCAL
    converter.local = False
    converter.trip(ALARM_TRIP)
    assert converter.refusal(Point.ACTIVE_POWER, 0.0) is Denial.TRIPPED


def test_a_trip_drops_the_power_and_stands_until_started_with_its_cause_gone(converter):
    converter.command(Point.ACTIVE_POWER, RATED_W)
    converter.want(BUS_V, 1.0)
    converter.hold_trip = True
    converter.trip(ALARM_TRIP)

    assert converter.want(BUS_V, 1.0) == 0
    assert converter.refusal(Point.START, 1.0) is Denial.CAUSE_STANDS
    converter.hold_trip = False
    assert converter.refusal(Point.START, 1.0) is None
    converter.command(Point.START, 1.0)
    assert converter.state is PcsState.RUNNING
    assert converter.alarms == 0
    assert converter.active_setpoint_w == 0


def test_a_dead_bus_trips_the_converter(converter):
    converter.want(BUS_V, 1.0)

    converter.settle(0.0, 0.0, 25.0, 1.0)

    assert converter.state is PcsState.FAULT


def test_near_its_upper_dc_voltage_it_charges_less(converter):
    high = converter.parameters.dc_window_v[1]
    converter.command(Point.ACTIVE_POWER, -RATED_W)

    converter.want(high - 4.0, 1.0)

    assert -0.5 * RATED_W < converter.active_w < -0.3 * RATED_W
    assert converter.state is PcsState.DERATED
