"""Where device profiles lie: as given, or among those that ship with the station."""

from pathlib import Path

PROFILE_FOLDER = Path(__file__).parent / "profiles"
_SCL_FOLDER = Path(__file__).parents[2] / "data" / "profiles"


def find(name: str) -> Path:
    """Return the path of a profile, a mapping or an SCL file.

    A bare file name that is not in the working folder is looked up among the profiles that
    ship with the station; the path returned need not exist.
    """
    path = Path(name)
    if path.exists() or path.name != name:
        return path
    shipped = (folder / name for folder in (PROFILE_FOLDER, _SCL_FOLDER))
    return next((file for file in shipped if file.exists()), path)
