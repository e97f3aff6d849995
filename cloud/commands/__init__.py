"""Commands of stations as they are kept: what was written where, who asked, what became of it."""

from cloud.commands.asking import Asked, CommandPage, PastCommand, past_commands
from cloud.commands.statistics import Statistics, statistics

__all__ = ["Asked", "CommandPage", "PastCommand", "Statistics", "past_commands", "statistics"]
