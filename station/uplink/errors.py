"""What can go wrong between the station and the cloud.

StationError
└── UplinkError
    ├── QueueError        the durable queue cannot be opened or written
    ├── LinkDown          no answer from the cloud: try again later
    └── EnrolmentError    the cloud did not take the station in; says why and what to do
"""

from station.errors import StationError


class UplinkError(StationError):
    """Root of the uplink room."""


class QueueError(UplinkError):
    """The durable queue cannot be opened or written; the text names file and remedy."""


class LinkDown(UplinkError):  # noqa: N818 - reads as a fact: link down
    """The cloud gave no answer."""


class EnrolmentError(UplinkError):
    """Enrolment or renewal was refused or could not be carried out."""
