"""Alarms by ISA-18.2 / IEC 62682: what is wrong, who has answered it, who is told.

The engine works events into alarms; lists, story and metrics read them; people act through a desk.
`between` reads the events themselves.
"""

from cloud.alarms.acts import LONGEST_SHELF_MS, ActRefused, Desk, NoSuchAlarm, Outcome, Wanted
from cloud.alarms.definitions import LINK_LOST, AlarmClass, Definition, Definitions, load
from cloud.alarms.engine import Engine
from cloud.alarms.links import look as look_at_links
from cloud.alarms.lists import AlarmPage, AlarmSeen, Counts, Filter, Lists, counts
from cloud.alarms.metrics import FloodNow, Metrics, flood_now, metrics
from cloud.alarms.notices import tell as tell_condition
from cloud.alarms.notify import ChannelHealth, Notifier, health
from cloud.alarms.nuisances import Nuisance, chattering, fleeting
from cloud.alarms.past import Cursor, EventPage, PastEvent, between
from cloud.alarms.refusals import Refusal, Why
from cloud.alarms.states import OPEN, SILENT, UNANSWERED, Change, State
from cloud.alarms.story import Incident, answers, incident, journal, occurrences

__all__ = [
    "LINK_LOST",
    "LONGEST_SHELF_MS",
    "OPEN",
    "SILENT",
    "UNANSWERED",
    "ActRefused",
    "AlarmClass",
    "AlarmPage",
    "AlarmSeen",
    "Change",
    "ChannelHealth",
    "Counts",
    "Cursor",
    "Definition",
    "Definitions",
    "Desk",
    "Engine",
    "EventPage",
    "Filter",
    "FloodNow",
    "Incident",
    "Lists",
    "Metrics",
    "NoSuchAlarm",
    "Notifier",
    "Nuisance",
    "Outcome",
    "PastEvent",
    "Refusal",
    "State",
    "Wanted",
    "Why",
    "answers",
    "between",
    "chattering",
    "counts",
    "fleeting",
    "flood_now",
    "health",
    "incident",
    "journal",
    "load",
    "look_at_links",
    "metrics",
    "occurrences",
    "tell_condition",
]
