"""Where the grid's dispatch centre may connect; left out, the port is closed."""

from __future__ import annotations

from ipaddress import ip_network

from pydantic import Field, IPvAnyNetwork

from station.config.section import Section

_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


class CentreConfig(Section):
    """The port of the dispatch centre (Modbus TCP; docs/protocols.md has its registers)."""

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
