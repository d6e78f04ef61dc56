"""What the documents may say of containers: images, mounts and arguments; everything hostile is refused."""

from __future__ import annotations

import pytest

from markab.spec.container_checks import (
    container_faults,
    mount_fault,
    registry_reference,
    split_container_arguments,
)
from markab.spec.model import Container


@pytest.mark.parametrize(
    ("type_", "image"),
    [
        ("docker", "docker://python:3.12"),
        ("docker", "docker:///lab/tool@sha256:0123"),
        ("docker", "file:///data/tool.tar"),
        ("docker", "https://data.org/tool.tar"),
        ("singularity", "library://lab/tool:1"),
        ("singularity", "/cvmfs/images/tool"),
        ("shifter", "shifter:///lab/tool:1"),
    ],
)
def test_images_have_a_location(type_: str, image: str) -> None:
    assert list(container_faults(Container("c", type_, image))) == []


@pytest.mark.parametrize(
    ("type_", "image", "words"),
    [
        ("docker", "", "is empty"),
        ("docker", "python:3.12", "is neither a URL nor an absolute path"),
        ("docker", "library://lab/tool", "is not for the type 'docker'"),
        ("docker", "docker://-v/:/host", "is not the name of an image"),
        ("docker", "docker://a;rm -rf /", "is not the name of an image"),
        ("docker", "docker://a\n--privileged", "is not the name of an image"),
        ("shifter", "file:///data/tool.tar", "is not in the registry of Shifter"),
    ],
)
def test_wrong_images_are_named(type_: str, image: str, words: str) -> None:
    [(kind, message, hint)] = container_faults(Container("c", type_, image))
    assert (kind, words in message, bool(hint)) == ("bad-image", True, True)


def test_everything_that_is_wrong_comes_at_once() -> None:
    container = Container("c", "docker", "", mounts=["/a", "/proc:/p", "/data:/data"])
    assert [kind for kind, _, _ in container_faults(container)] == ["bad-image", "bad-mount", "bad-mount"]


@pytest.mark.parametrize(
    "mount", ["/data:/data", "/data/x:/data:ro", "/home/ada:/home/ada:rw", "/etc/ssl:/etc/ssl:ro"]
)
def test_directories_of_the_user_may_be_mounted(mount: str) -> None:
    assert mount_fault(mount) is None


@pytest.mark.parametrize(
    "mount",
    [
        *("/a", "a:/b", "/a:b", "/a:/b:ro:x", "/a:/b:exec", "/a,target=/etc:/b", "/a:/b\n", "", ":", "/a:"),
        *("/:/host", "//:/host", "/proc:/p", "/proc/1/root:/p", "/sys:/s:ro", "/dev:/d", "/dev/sda:/d"),
        *("/run/docker.sock:/s", "/var/run/docker.sock:/s", "/var:/v", "/var/lib/docker:/v", "/a/../proc:/p"),
        *(
            "/etc:/etc",
            "/usr/lib:/x:rw",
            "/a:/",
            "/a:/proc/x",
            "/a:/dev",
            "/a:/scratch",
            "/a:/srv/x",
            "/a:/b/../scratch",
        ),
    ],
)
def test_a_mount_that_gives_the_machine_or_hides_the_job_is_refused(mount: str) -> None:
    assert mount_fault(mount) is not None


@pytest.mark.parametrize(
    ("type_", "text", "words"),
    [
        ("docker", "", []),
        ("docker", "--shm-size=2g -e A='b c' --init", ["--shm-size=2g", "-e", "A=b c", "--init"]),
        ("docker", "-v /data:/data:ro --network host", ["-v", "/data:/data:ro", "--network", "host"]),
        ("singularity", "--bind /cvmfs,/data:/d --nv -e", ["--bind", "/cvmfs,/data:/d", "--nv", "-e"]),
        ("docker", "--env '$(id);`id`'", ["--env", "$(id);`id`"]),
        ("docker", "--pids-limit -1 --label=-x", ["--pids-limit", "-1", "--label=-x"]),
        ("docker", "--read-only-tmpfs --init", ["--read-only-tmpfs", "--init"]),
    ],
)
def test_arguments_are_words(type_: str, text: str, words: list[str]) -> None:
    assert split_container_arguments(text, type_) == words


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        *(
            ("docker", text)
            for text in ("image", "--init image", "--shm-size=2g other cmd", "--", "-", "--env A=b c", "'")
        ),
        *(
            ("docker", text)
            for text in ("--privileged", "--privileged=true", "--name x", "-d", "-it", "--rm=false")
        ),
        *(
            ("docker", text)
            for text in ("--user 0", "-u0", "--pid=host", "--entrypoint sh", "--mount type=bind")
        ),
        *(
            ("docker", text)
            for text in ("-v /:/host", "-v/:/host", "--volume=/proc:/p", "--volume /", "--cap-add ALL")
        ),
        *(
            ("singularity", text)
            for text in ("--bind /:/host", "-B /dev", "--pwd /", "--fakeroot", "--writable", "x.sif")
        ),
        ("shifter", "--volume=/:/host"),
        *((type_, "--help") for type_ in ("docker", "singularity", "shifter")),
        *(
            ("docker", text)
            for text in ("--log-opt path=/home/ada/thesis", "--pull always", "--uidmap 0:1:1")
        ),
        *(("singularity", text) for text in ("--fusemount 'host:program /m'", "--pid-file /home/ada/thesis")),
    ],
)
def test_arguments_that_take_over_are_refused(type_: str, text: str) -> None:
    fault = split_container_arguments(text, type_)
    assert isinstance(fault, tuple), fault
    assert all(fault)


@pytest.mark.parametrize(
    "text",
    [
        "--unknown --privileged",
        "--unknown --volume=/:/host",
        "--read-only-tmpfs --privileged",
        "-e -v",
        "--init --label",
    ],
)
def test_an_option_that_may_have_no_value_hides_no_other(text: str) -> None:
    fault = split_container_arguments(text, "docker")
    assert isinstance(fault, tuple), fault
    assert "value" in fault[0] or "'--privileged'" in fault[0]


def test_references_are_what_follows_the_scheme() -> None:
    assert registry_reference("docker:///a/b:1") == ("docker", "a/b:1")
    assert registry_reference("file:///a") is None
