"""Alarms: what is wrong now, at the stations and with the links to them, and what was before."""

from cloud.alarms.moment import Alarm, in_order, of_links, of_stations
from cloud.alarms.past import Cursor, EventPage, PastEvent, between

__all__ = [
    "Alarm",
    "Cursor",
    "EventPage",
    "PastEvent",
    "between",
    "in_order",
    "of_links",
    "of_stations",
]
