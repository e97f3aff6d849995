"""Looking for a part of a text with SQL's ILIKE, whose wildcards a reader's words must not be."""


def containing(text: str) -> str | None:
    """Return the pattern of texts that contain `text` as it stands; None where there is none."""
    if not text:
        return None
    escaped = text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return f"%{escaped}%"
