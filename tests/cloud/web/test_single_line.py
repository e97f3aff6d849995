"""The picture of the energy flow: few containers fill the panel, many scroll in their own size."""

import re
from types import SimpleNamespace

import pytest

from cloud.fleet import from_devices
from cloud.web.visit import environment


def picture(containers: int) -> str:
    devices = [("METER", "meter"), ("STATION", "station")]
    for c in range(1, containers + 1):
        devices += [(f"C{c}-PCS", "pcs"), *((f"C{c}-R{r:02d}", "rack") for r in range(1, 11))]
    return (
        environment("en")
        .get_template("single_line.html")
        .render(
            t=lambda text, **_: text,
            topology=from_devices(devices),
            station=SimpleNamespace(id="big"),
            meter="METER",
        )
    )


@pytest.mark.parametrize(("containers", "many", "grid_y"), [(2, False, 126), (40, True, 63)])
def test_many_containers_keep_their_size_with_the_grid_beside_the_first(containers, many, grid_y):
    drawn = picture(containers)

    assert ('class="sld many"' in drawn) is many
    assert f'viewBox="0 0 800 {containers * 126}"' in drawn
    assert re.search(r'<circle class="dev" cx="91" cy="([\d.]+)"', drawn)[1] in {
        str(grid_y),
        f"{grid_y}.0",
    }
