"""The rules of protection of this station: those that it ships with, or the owner's own files."""

from station.config import StationConfig
from station.protection import (
    LimitMargins,
    ProtectionSettings,
    check_matrix,
    load_cell_maps,
    load_matrix,
    load_rules,
)


def protection_settings(config: StationConfig) -> ProtectionSettings:
    """Return the rules of protection in force.

    Raises:
        StationError: a file cannot be used; names file, key and remedy.
    """
    site, files = config.station, config.protection
    margins = LimitMargins(
        rated_power_kw=site.rated_power_kw,
        soc_min=site.soc_min,
        soc_max=site.soc_max,
        **config.limits.model_dump(),
    )
    rules, matrix = load_rules(files.rules), load_matrix(files.matrix)
    check_matrix(matrix, rules)
    return ProtectionSettings(rules, matrix, load_cell_maps(files.cell_maps), margins)
