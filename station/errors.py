"""The root of every error a station raises; each room keeps its own branch in its own files."""


class StationError(Exception):
    """A station part cannot do its work; the text says what is wrong, where, and what to do."""
