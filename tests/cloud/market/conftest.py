"""Property tests of the market say nothing about time: that is measured in bench/."""

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
