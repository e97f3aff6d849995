"""The configuration of one station: a TOML file that is also its documentation.

Every section is a pydantic model whose field descriptions say meaning and unit; an unknown
key is an error, because a misspelt limit must not silently fall back to a default. Paths
are relative to the folder of the file.
"""

from station.config.centre import CentreConfig
from station.config.estimators import EstimatorsConfig
from station.config.load import StationConfig, load, readable_devices
from station.config.site import CloudConfig, DeviceConfig, Role, SiteConfig
from station.config_errors import ConfigError

__all__ = [
    "CentreConfig",
    "CloudConfig",
    "ConfigError",
    "DeviceConfig",
    "EstimatorsConfig",
    "Role",
    "SiteConfig",
    "StationConfig",
    "load",
    "readable_devices",
]
