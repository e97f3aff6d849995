"""Which rack stands behind what bounds the station."""

import numpy as np
import pytest

from station.bounding_rack import bounding_racks

RACKS = ["C1-R01", "C1-R02", "C2-R01"]
EMPTY, BMS, CONVERTER = 1, 4, 6


def told(charge_by: float, left_kwh: list[float]) -> dict[str, str]:
    rows = {
        "charge_bound_by": np.array([EMPTY, BMS, BMS], np.float32),
        "discharge_bound_by": np.full(3, CONVERTER, np.float32),
        "charge_energy_1h_kwh": np.array(left_kwh, np.float32),
        "discharge_energy_1h_kwh": np.ones(3, np.float32),
    }
    return bounding_racks(RACKS, {"charge_bound_by": charge_by, "discharge_bound_by": 6.0}, rows)


def test_of_the_racks_bound_alike_the_one_with_least_left_is_named():
    assert told(BMS, [1.0, 30.0, 20.0]) == {"charge": "C2-R01"}
    assert told(EMPTY, [1.0, 30.0, 20.0]) == {"charge": "C1-R01"}


@pytest.mark.parametrize("reason", [CONVERTER, 0, 9, float("nan")])
def test_no_rack_is_named_where_none_is_bound_as_the_station_is(reason):
    assert told(reason, [1.0, 30.0, 20.0]) == {}
