"""Fleet: stations and how they are built, their schedules, orders and receipts, their models."""

from cloud.fleet import models
from cloud.fleet.control import Control, ControlRefused, order
from cloud.fleet.freshness import LINK_LIMIT_MS, link_lost, stale_after_ms
from cloud.fleet.orders import OrderSeen, ReceiptSeen, list_orders, schedule_in_force
from cloud.fleet.schedule_check import ROUND_TRIP_EFFICIENCY, Finding, FindingCode, ScheduleCheck
from cloud.fleet.scheduling import Now, Planned, ScheduleRefused, in_force, plan, read, send
from cloud.fleet.stations import (
    NewStation,
    Station,
    StationFacts,
    create,
    devices,
    find,
    issue_token,
    list_all,
)
from cloud.fleet.topology import Container, Topology, from_devices

__all__ = [
    "LINK_LIMIT_MS",
    "ROUND_TRIP_EFFICIENCY",
    "Container",
    "Control",
    "ControlRefused",
    "Finding",
    "FindingCode",
    "NewStation",
    "Now",
    "OrderSeen",
    "Planned",
    "ReceiptSeen",
    "ScheduleCheck",
    "ScheduleRefused",
    "Station",
    "StationFacts",
    "Topology",
    "create",
    "devices",
    "find",
    "from_devices",
    "in_force",
    "issue_token",
    "link_lost",
    "list_all",
    "list_orders",
    "models",
    "order",
    "plan",
    "read",
    "schedule_in_force",
    "send",
    "stale_after_ms",
]
