"""What a job asks of a service of a cloud, from its profiles, its container and its site.

| executor | what counts |
|---|---|
| Kubernetes | `markab.kubernetes.image`, or the image of the container; `.claim` or `.hostpath`, `.mount`, `.namespace`, `.account` |
| AWS Batch | `pegasus.aws.batch.job_queue` or `pegasus.queue`; `pegasus.aws.batch.job_definition`, which has the image; else the properties of these names |

Both start the container of a job themselves, so its tasks run in it as processes of the worker, and the image must have Python.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

import msgspec

from markab.plan.model import BatchRequest, DirectoryPlace
from markab.planner.cloud_keys import CLAIM, DEFINITION, HOST_PATH, IMAGE, KUBERNETES_KEYS, MOUNT, QUEUE
from markab.planner.draft import Context
from markab.planner.site_executors import AWS_BATCH, CLOUDS, TITLES, executor_of
from markab.spec.container_checks import registry_reference
from markab.spec.model import Container, Profiles, Site
from markab.spec.profiles import canonical

QUEUE_PROPERTY = "pegasus.aws.batch.job_queue"
DEFINITION_PROPERTY = "pegasus.aws.batch.job_definition"


def cloud_request(
    request: BatchRequest | None,
    profiles: Profiles,
    site: Site,
    scratch: DirectoryPlace | None,
    container: Container | None,
    needed_by: str,
    context: Context,
) -> BatchRequest | None:
    """Return a request with what only a cloud is asked for; of other executors, as it is. What is wrong is noted.

    Args:
        scratch: the directory that submit host and containers share.
    """
    executor = executor_of(site)
    if executor not in CLOUDS:
        return request
    given = request or BatchRequest()
    if executor == AWS_BATCH:
        return _of_aws(given, profiles, site, container, needed_by, context)
    attributes = {
        key: text for key in KUBERNETES_KEYS if (text := profiles.get("markab", {}).get(key, "").strip())
    }
    if container is not None:
        attributes[IMAGE] = _image(container, site, needed_by, context)
    attributes.setdefault(MOUNT, scratch.path if scratch is not None else "")
    _check_kubernetes(attributes, site, scratch, context)
    return msgspec.structs.replace(
        given, queue="", project="", nodes=0, processes_per_node=0, arguments=[], attributes=attributes
    )


def _check_kubernetes(
    attributes: Mapping[str, str], site: Site, scratch: DirectoryPlace | None, context: Context
) -> None:
    title = f"site {site.name!r} is a Kubernetes cluster"
    if IMAGE not in attributes:
        _once(
            context,
            f"{title}, and nothing says which image its jobs run in",
            f"give the site the profile markab.{IMAGE}, an image with Python 3.6 or newer; or a container to the transformation",
        )
    if (CLAIM in attributes) == (HOST_PATH in attributes):
        what = "both" if CLAIM in attributes else "neither"
        _once(
            context,
            f"{title}, and has {what} of the profiles markab.{CLAIM} and markab.{HOST_PATH}: one of them says which "
            "volume its pods and this machine share",
            f"give it markab.{CLAIM}, the name of a PersistentVolumeClaim in the namespace of its jobs",
        )
    if scratch is None:
        return  # that is noted elsewhere
    mount = posixpath.normpath(attributes[MOUNT])
    if not posixpath.isabs(mount) or mount == "/" or posixpath.commonpath([mount, scratch.path]) != mount:
        _once(
            context,
            f"profile markab.{MOUNT} of site {site.name!r} is {attributes[MOUNT]!r}, and its scratch directory "
            f"{scratch.path!r} is not in it",
            f"name the directory of its pods at which the volume is mounted, such as {scratch.path!r}; submit host and pods "
            "must have the scratch directory under one path",
        )


def _image(container: Container, site: Site, needed_by: str, context: Context) -> str:
    reference = registry_reference(container.image)
    if reference is None or reference[0] != "docker":
        _once(
            context,
            f"container {container.name!r} has the image {container.image!r}, and site {site.name!r} is a Kubernetes cluster, "
            f"which pulls images from a registry (needed by {needed_by})",
            "push it to a registry, and name it as docker://REGISTRY/NAME:TAG",
        )
        return ""
    if container.mounts:
        context.warn(
            "unsupported",
            f"mounts of container {container.name!r} do nothing at site {site.name!r}: a pod has the shared volume only "
            f"({needed_by})",
            "put what they have into the image, or make it an input of the task",
        )
    return reference[1]


def _of_aws(
    given: BatchRequest,
    profiles: Profiles,
    site: Site,
    container: Container | None,
    needed_by: str,
    context: Context,
) -> BatchRequest:
    pegasus = profiles.get("pegasus", {})
    properties = context.properties
    queue = pegasus.get(QUEUE, "").strip() or given.queue or properties.get(QUEUE_PROPERTY, "").strip()
    definition = pegasus.get(DEFINITION, "").strip() or properties.get(DEFINITION_PROPERTY, "").strip()
    title = f"site {site.name!r} is AWS Batch"
    if not queue:
        _once(
            context, f"{title}, and nothing names a job queue", f"give the site the profile pegasus.{QUEUE}"
        )
    if not definition:
        _once(
            context,
            f"{title}, and nothing names a job definition",
            f"give the site the profile pegasus.{DEFINITION}: one whose image has Python 3.6 or newer, and which mounts the "
            "file system with the scratch directory of the site",
        )
    if (
        container is not None
        and not canonical(container.profiles).get("pegasus", {}).get(DEFINITION, "").strip()
    ):
        _once(
            context,
            f"container {container.name!r} cannot be started at site {site.name!r}: at {TITLES[AWS_BATCH]} a job definition has "
            f"the image (needed by {needed_by})",
            f"make a job definition with it, and name that in the container's own profile pegasus.{DEFINITION}",
        )
    return msgspec.structs.replace(
        given,
        queue=queue,
        project="",
        nodes=0,
        processes_per_node=0,
        arguments=[],
        attributes={DEFINITION: definition} if definition else {},
    )


def _once(context: Context, message: str, hint: str) -> None:
    """Note a problem, if it is not yet: all tasks of a site have the same."""
    if all(one.message != message for one in context.problems):
        context.problem("cloud-request", message, hint)
