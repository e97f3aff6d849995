"""Health and life of batteries: how they age, and when they are to be retired."""
