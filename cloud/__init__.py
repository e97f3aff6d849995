"""The cloud tier: history, live image, people, orders."""
