"""Where the grid's dispatch centre may connect; left out, the port is closed."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Literal

from pydantic import Field, IPvAnyNetwork, model_validator

from station.config.section import Section

_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


class CentreTlsConfig(Section):
    """Files of TLS (PEM) for IEC 60870-5-104; both sides show certificates (IEC 62351-3)."""

    certificate: Path = Field(description="The station's certificate")
    key: Path = Field(description="Its key")
    authority: Path = Field(description="The authority of the centre's certificate")


class CentreConfig(Section):
    """The port of the dispatch centre (docs/protocols.md has registers and point lists)."""

    protocol: Literal["modbus", "iec104"] = Field(
        default="modbus", description="modbus: Modbus TCP; iec104: IEC 60870-5-104"
    )
    host: str = Field(default="127.0.0.1", min_length=1, description="Address to listen on")
    port: int = Field(ge=0, le=65535, description="TCP port; 0 lets the system choose")
    timeout_s: float = Field(
        default=10.0, ge=1, le=300, description="So long without a heartbeat, and it is lost"
    )
    allow: tuple[IPvAnyNetwork, ...] = Field(
        default=_LOOPBACK,
        min_length=1,
        description="Addresses or networks that may connect; loopback when left out",
    )
    points: str = Field(default="", description="Point list (iec104): a file, or a shipped one")
    tls: CentreTlsConfig | None = Field(default=None, description="TLS (iec104)")

    @model_validator(mode="after")
    def _goes_together(self) -> CentreConfig:
        if self.protocol == "iec104" and not self.points:
            raise ValueError("protocol 'iec104' needs points, e.g. 'dispatch-centre.toml'")
        if self.protocol == "modbus" and (self.points or self.tls is not None):
            raise ValueError("points and tls belong to protocol = 'iec104'")
        return self
