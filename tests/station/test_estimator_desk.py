"""How the controller arranges racks for the estimator process."""

from pathlib import Path

from station.config import EstimatorsConfig, Role
from station.estimator_desk import groups_of
from tests.station.site import site_config


def test_racks_are_arranged_by_the_converter_that_they_hang_on(tmp_path):
    config = site_config(tmp_path, containers=2)
    cells = {rack.tag: 4 for rack in config.with_role(Role.RACK)}

    (group,) = groups_of(config, EstimatorsConfig(bundle=Path("model")), cells)

    assert group.racks == ("C1-R01", "C1-R02", "C2-R01", "C2-R02")
    assert group.stacks == (0, 0, 1, 1)
