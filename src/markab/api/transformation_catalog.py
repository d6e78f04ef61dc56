"""The builder of transformation catalogs: executables by logical name, and their containers."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from markab.api.enums import OS, Arch, ContainerType, Namespace, checked, word_or_none
from markab.api.errors import DuplicateError
from markab.api.mixins import HookMixin, MetadataMixin, ProfileMixin, shared_data
from markab.api.warnings import warn
from markab.api.writable import Writable

if TYPE_CHECKING:
    from typing_extensions import Self


class TransformationSite(ProfileMixin, MetadataMixin):
    """The place of an executable: installed at a site, or stageable from it to other sites."""

    def __init__(
        self,
        name: str,
        pfn: str | Path,
        is_stageable: bool = False,
        bypass_staging: bool = False,
        arch: Arch | None = None,
        os_type: OS | None = None,
        os_release: str | None = None,
        os_version: str | None = None,
        container: Container | str | None = None,
    ) -> None:
        """Describe the executable at the site `name`; `container` is the image in which it runs.

        Raises:
            TypeError: `arch`, `os_type` or `container` is of another type.
            ValueError: `bypass_staging` without `is_stageable`: what is installed is not staged.
        """
        if bypass_staging and not is_stageable:
            raise ValueError(f"{os.fspath(pfn)!r} is not stageable, so bypass_staging has no meaning for it")
        self.name = name
        self.pfn = os.fspath(pfn)
        self.transformation_type = "stageable" if is_stageable else "installed"
        self.bypass = bypass_staging
        self.arch = word_or_none(arch, Arch, f"the architecture of {self.pfn!r}")
        self.os_type = word_or_none(os_type, OS, f"the operating system of {self.pfn!r}")
        self.os_release = os_release
        self.os_version = os_version
        if container is not None and not isinstance(container, (Container, str)):
            raise TypeError(f"{self.pfn!r} runs in a Container or the name of one, not in {container!r}")
        self.container = container.name if isinstance(container, Container) else container

    def to_data(self) -> dict[str, Any]:
        """Return the entry of `sites:` of the executable."""
        data: dict[str, Any] = {"name": self.name, "pfn": self.pfn, "type": self.transformation_type}
        if self.bypass:
            data["bypass"] = True
        if self.arch is not None:
            data["arch"] = self.arch
        if self.os_type is not None:
            data["os.type"] = self.os_type
        if self.os_release is not None:
            data["os.release"] = str(self.os_release)
        if self.os_version is not None:
            data["os.version"] = str(self.os_version)
        if self.container is not None:
            data["container"] = self.container
        data.update(shared_data(self, "profiles", "metadata"))
        return data


class Transformation(ProfileMixin, HookMixin, MetadataMixin):
    """An executable by its logical name `namespace::name:version`."""

    def __init__(
        self,
        name: str,
        namespace: str | None = None,
        version: str | None = None,
        site: str | None = None,
        pfn: str | Path | None = None,
        is_stageable: bool = False,
        bypass_staging: bool = False,
        arch: Arch | None = None,
        os_type: OS | None = None,
        os_release: str | None = None,
        os_version: str | None = None,
        container: Container | str | None = None,
        checksum: Mapping[str, str] | None = None,
    ) -> None:
        """Name an executable; with `site` and `pfn`, also add its place.

        Raises:
            TypeError: a value is of another type.
            ValueError: a part of the name has a colon, or `checksum` is not `{"sha256": …}`.
        """
        for part, text in (("name", name), ("namespace", namespace), ("version", version)):
            if text is not None and ":" in str(text):
                raise ValueError(
                    f"the {part} {text!r} of a transformation has a colon, which separates the parts"
                )
        if checksum and {key.lower() for key in checksum} != {"sha256"}:
            raise ValueError(f"the checksum of {name!r} is {dict(checksum)!r}, but must be {{'sha256': '…'}}")
        if (site is None) != (pfn is None):
            warn(
                f"transformation {name!r} gets no place: it has site {site!r} and pfn {pfn!r}; "
                "give both, or neither and use add_sites"
            )
        self.name = name
        self.namespace = namespace
        self.version = version
        self.checksum = {key.lower(): str(value) for key, value in checksum.items()} if checksum else None
        self.sites: dict[str, TransformationSite] = {}
        self.requires: dict[str, None] = {}
        if site is not None and pfn is not None:
            self.add_sites(
                TransformationSite(
                    site, pfn, is_stageable, bypass_staging, arch, os_type, os_release, os_version, container
                )
            )

    @property
    def is_stageable(self) -> bool:
        """Whether there is a site from which it can be staged."""
        return any(site.transformation_type == "stageable" for site in self.sites.values())

    def _get_key(self) -> str:
        """Return the key in a catalog: `namespace::name::version`, with `None` for what is not given."""
        return f"{self.namespace}::{self.name}::{self.version}"

    def __eq__(self, other: object) -> bool:
        return self._get_key() == other._get_key() if isinstance(other, Transformation) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._get_key())

    def add_sites(self, *transformation_sites: TransformationSite) -> Self:
        """Add places of the executable.

        Raises:
            TypeError: an argument is not a TransformationSite.
            DuplicateError: it has a place at that site already.
        """
        for site in transformation_sites:
            if not isinstance(site, TransformationSite):
                raise TypeError(f"transformation {self.name!r} takes a TransformationSite, not {site!r}")
            if site.name in self.sites:
                raise DuplicateError(
                    f"transformation {self.name!r} already has a place at site {site.name!r}"
                )
            self.sites[site.name] = site
        return self

    def add_requirement(
        self,
        required_transformation: str | Transformation,
        namespace: str | None = None,
        version: str | None = None,
    ) -> Self:
        """Stage another transformation together with this one, such as a module of a script.

        Raises:
            TypeError: it is neither a Transformation nor the name of one.
            ValueError: a part of its name has a colon.
            DuplicateError: it is required already.
        """
        if isinstance(required_transformation, Transformation):
            key = required_transformation._full_name()
        elif isinstance(required_transformation, str):
            for text in (required_transformation, namespace, version):
                if text is not None and ":" in text:
                    raise ValueError(f"{text!r}, a part of a requirement of {self.name!r}, has a colon")
            key = _full_name(required_transformation, namespace, version)
        else:
            raise TypeError(f"transformation {self.name!r} cannot require {required_transformation!r}")
        if key in self.requires:
            raise DuplicateError(f"transformation {self.name!r} already requires {key!r}")
        self.requires[key] = None
        return self

    def to_data(self) -> dict[str, Any]:
        """Return the entry of `transformations:`."""
        data: dict[str, Any] = {}
        if self.namespace is not None:
            data["namespace"] = self.namespace
        data["name"] = self.name
        if self.version is not None:
            data["version"] = str(self.version)
        if self.checksum:
            data["checksum"] = dict(self.checksum)
        if self.requires:
            data["requires"] = list(self.requires)
        data["sites"] = [site.to_data() for site in self.sites.values()]
        data.update(shared_data(self, "profiles", "hooks", "metadata"))
        return data

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._full_name()}>"

    def _full_name(self) -> str:
        """Return `namespace::name:version`, leaving out what is not given."""
        return _full_name(self.name, self.namespace, self.version)


class Container(ProfileMixin):
    """An image in which executables run."""

    DOCKER = ContainerType.DOCKER
    SINGULARITY = ContainerType.SINGULARITY
    SHIFTER = ContainerType.SHIFTER

    def __init__(
        self,
        name: str,
        container_type: ContainerType,
        image: str,
        arguments: str | None = None,
        mounts: Sequence[str] | None = None,
        image_site: str | None = None,
        checksum: Mapping[str, str] | None = None,
        metadata: Mapping[str, object] | None = None,
        bypass_staging: bool = False,
    ) -> None:
        """Name an image; `mounts` are texts `source:destination[:ro]`, `arguments` go to the container program.

        Raises:
            TypeError: `container_type` is none of the constants of this class.
            ValueError: `checksum` is not `{"sha256": …}`.
        """
        self.container_type = checked(container_type, ContainerType, f"the type of container {name!r}").value
        if checksum and {key.lower() for key in checksum} != {"sha256"}:
            raise ValueError(f"the checksum of {name!r} is {dict(checksum)!r}, but must be {{'sha256': '…'}}")
        self.name = name
        self.image = os.fspath(image)
        self.mounts = [mounts] if isinstance(mounts, str) else list(mounts or ())
        self.image_site = image_site
        self.checksum = {key.lower(): str(value) for key, value in checksum.items()} if checksum else None
        self.metadata = {str(key): str(value) for key, value in (metadata or {}).items()}
        self.bypass = bypass_staging
        if arguments is not None:
            self.add_profiles(Namespace.PEGASUS, "container.arguments", arguments)

    def add_metadata(self, *args: object, **kwargs: object) -> NoReturn:
        """Raise NotImplementedError: containers take metadata only when they are made."""
        raise NotImplementedError(
            f"give container {self.name!r} its metadata as Container(…, metadata={{…}})"
        )

    def to_data(self) -> dict[str, Any]:
        """Return the entry of `containers:`."""
        data: dict[str, Any] = {"name": self.name, "type": self.container_type, "image": self.image}
        if self.mounts:
            data["mounts"] = list(self.mounts)
        if self.bypass:
            data["bypass"] = True
        if self.image_site is not None:
            data["image.site"] = self.image_site
        if self.checksum:
            data["checksum"] = dict(self.checksum)
        if self.metadata:
            data["metadata"] = dict(self.metadata)
        data.update(shared_data(self, "profiles"))
        return data


class TransformationCatalog(Writable):
    """All executables and containers a workflow may use."""

    _DEFAULT_FILENAME = "transformations.yml"

    def __init__(self) -> None:
        self.transformations: dict[str, Transformation] = {}
        """`namespace::name::version`, with `None` for what is not given → transformation."""
        self.containers: dict[str, Container] = {}

    def add_transformations(self, *transformations: Transformation) -> Self:
        """Add executables.

        Raises:
            TypeError: an argument is not a Transformation.
            DuplicateError: there is one of that name.
        """
        for transformation in transformations:
            if not isinstance(transformation, Transformation):
                raise TypeError(f"the transformation catalog takes a Transformation, not {transformation!r}")
            key = transformation._get_key()
            if key in self.transformations:
                raise DuplicateError(
                    f"the transformation catalog already has a transformation {transformation._full_name()!r}"
                )
            self.transformations[key] = transformation
        return self

    def add_containers(self, *containers: Container) -> Self:
        """Add containers.

        Raises:
            TypeError: an argument is not a Container.
            DuplicateError: there is one of that name.
        """
        for container in containers:
            if not isinstance(container, Container):
                raise TypeError(f"the transformation catalog takes a Container, not {container!r}")
            if container.name in self.containers:
                raise DuplicateError(f"the transformation catalog already has a container {container.name!r}")
            self.containers[container.name] = container
        return self

    def to_data(self) -> dict[str, Any]:
        """Return the body of the document."""
        data: dict[str, Any] = {
            "transformations": [transformation.to_data() for transformation in self.transformations.values()]
        }
        if self.containers:
            data["containers"] = [container.to_data() for container in self.containers.values()]
        return data


def _full_name(name: str, namespace: str | None, version: str | None) -> str:
    return f"{namespace + '::' if namespace else ''}{name}{f':{version}' if version else ''}"
