"""A small site for tests: one or two containers of two racks, a meter, a fire panel."""

from pathlib import Path

from station.config import StationConfig
from station.image import ProcessImage
from tests.station.plant_samples import healthy_rack, running_pcs, sample


def site_document(data_dir: Path, containers: int = 1, **sections: dict) -> dict:
    """The configuration as the TOML file holds it."""
    device = {"driver": "modbus", "profile": "p.toml", "port": 1502}
    devices = [
        {**device, "tag": "METER", "role": "meter"},
        {**device, "tag": "FIRE", "role": "fire"},
    ]
    for k in range(1, containers + 1):
        c = f"C{k}"
        devices += [
            {**device, "tag": f"{c}-PCS", "role": "pcs", "container": c, "rated_kw": 1000},
            {**device, "tag": f"{c}-IMD", "role": "insulation", "container": c},
            {**device, "tag": f"{c}-R01", "role": "rack", "container": c},
            {**device, "tag": f"{c}-R02", "role": "rack", "container": c},
        ]
    for number, described in enumerate(devices):
        described["port"] = 1502 + number
    return {
        "station": {
            "id": "test-station",
            "data_dir": str(data_dir),
            "rated_power_kw": 1000 * containers,
            "capacity_kwh": 2000 * containers,
        },
        "cloud": {"url": "https://127.0.0.1:1"},
        "devices": devices,
        **sections,
    }


def site_config(data_dir: Path, containers: int = 1, **sections: dict) -> StationConfig:
    return StationConfig.model_validate(site_document(data_dir, containers, **sections))


class Plant:
    """An image of the site that tests fill second by second."""

    def __init__(self, config: StationConfig) -> None:
        self.config = config
        computed = {"station": 10.0, "estimate.limit": 600.0}
        self.image = ProcessImage(config.staleness.model_dump() | computed)
        self.power = {d.tag: 0.0 for d in config.devices if d.role == "pcs"}
        self.losses_kw = 20.0
        self.frequency_hz = 50.0
        self.rack: dict[str, dict[str, float]] = {}
        self.pcs: dict[str, dict[str, float]] = {}
        self.silent: set[str] = set()
        self.fire_state = 0
        self.insulation_alarms = 0

    def second(self, ms: int) -> None:
        """Every device that is not silent tells its values of this second."""
        rows = [
            sample(
                *("METER", "meter", ms),
                active_power_kw=sum(self.power.values()) - self.losses_kw,
                frequency_hz=self.frequency_hz,
            ),
            sample("FIRE", "fire", ms, fire_state=self.fire_state),
        ]
        for device in self.config.devices:
            if device.role == "pcs":
                changes = self.pcs.get(device.tag, {})
                rows.append(running_pcs(device.tag, ms, self.power[device.tag], **changes))
            elif device.role == "insulation":
                resistance = 100.0 if self.insulation_alarms else 2200.0
                rows.append(
                    sample(
                        *(device.tag, "insulation", ms),
                        resistance_positive_kohm=resistance,
                        resistance_negative_kohm=2200.0,
                        insulation_alarms=self.insulation_alarms,
                    )
                )
            elif device.role == "rack":
                limits = {"charge_current_limit_a": 450, "discharge_current_limit_a": 450}
                changes = self.rack.get(device.tag, {})
                rows.append(healthy_rack(device.tag, ms, **{**limits, **changes}))
        for row in rows:
            if row.device not in self.silent:
                self.image.update(row)
