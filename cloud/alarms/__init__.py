"""Alarms of the moment: what is wrong now, at the stations and with the links to them."""

from cloud.alarms.moment import Alarm, in_order, of_links, of_stations

__all__ = ["Alarm", "in_order", "of_links", "of_stations"]
