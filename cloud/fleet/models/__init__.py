"""Models of estimators: the registry, and what became of each at the stations."""

from cloud.fleet.models.deployments import (
    Deployment,
    DeploymentState,
    ModelOrderRefused,
    deployments,
    order,
)
from cloud.fleet.models.packages import chunk_for
from cloud.fleet.models.registry import (
    ModelRefused,
    ModelSeen,
    approve,
    find,
    list_all,
    upload,
    withdraw,
)

__all__ = [
    "Deployment",
    "DeploymentState",
    "ModelOrderRefused",
    "ModelRefused",
    "ModelSeen",
    "approve",
    "chunk_for",
    "deployments",
    "find",
    "list_all",
    "order",
    "upload",
    "withdraw",
]
