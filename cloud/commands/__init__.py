"""Commands of stations as they are kept: what was written where, who asked, what became of it."""
