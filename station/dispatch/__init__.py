"""What the station does inside its limits: schedule, feedback, split, commands."""
