"""The live lane: newest image of every station, told to screens as it arrives."""

from cloud.live.hub import Live
from cloud.live.image import LiveImage

__all__ = ["Live", "LiveImage"]
