"""What every section of a configuration file is."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A section refuses unknown keys and never changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)
