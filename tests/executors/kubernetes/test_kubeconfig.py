"""Where the API of a cluster is and by which credentials, as kubeconfigs say it."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from integration.tools import script
from markab.executors.kubernetes import kubeconfig
from markab.executors.kubernetes.kubeconfig import NoAccess, find_access

Write = Callable[..., Path]


def entry(plural: str, name: str, **keys: Any) -> dict[str, Any]:
    return {"name": name, plural.removesuffix("s"): keys}


def config(user: dict[str, Any], **cluster: Any) -> dict[str, Any]:
    """A kubeconfig with two contexts, of which `science` is the current one."""
    return {
        "current-context": "science",
        "contexts": [
            entry("contexts", "science", cluster="c", user="u", namespace="genomics"),
            entry("contexts", "other", cluster="d", user="u"),
        ],
        "clusters": [
            entry("clusters", "c", **{"server": "http://127.0.0.1:1/k8s", **cluster}),
            entry("clusters", "d", server="http://127.0.0.1:2"),
        ],
        "users": [entry("users", "u", **user)],
    }


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)

    def write(*documents: dict[str, Any]) -> Path:
        paths = [tmp_path / f"config{number}" for number in range(len(documents))]
        for path, document in zip(paths, documents, strict=True):
            path.write_text(yaml.safe_dump(document))
        monkeypatch.setenv("KUBECONFIG", ":".join(map(str, paths)))
        return paths[0]

    return write


def test_the_current_context_has_server_namespace_and_token(write: Write) -> None:
    write(config({"token": "t0"}))

    found = find_access()

    assert (found.server, found.namespace, found.context) == ("http://127.0.0.1:1/k8s", "genomics", None)
    assert found.headers == {"Authorization": "Bearer t0"}
    assert "t0" not in repr(found)


def test_another_context_is_named(write: Write) -> None:
    write(config({"token": "t0"}))

    found = find_access("other")

    assert (found.server, found.namespace) == ("http://127.0.0.1:2", "default")


def test_of_several_files_the_first_that_has_an_entry_counts(write: Write, tmp_path: Path) -> None:
    write(
        {"current-context": "other"},
        {"users": [entry("users", "u", token="first")]},
        config({"token": "second"}),
    )

    found = find_access()

    assert found.server == "http://127.0.0.1:2" and found.headers["Authorization"] == "Bearer first"


def test_a_token_is_read_from_a_file_beside_the_kubeconfig_each_time(write: Write, tmp_path: Path) -> None:
    write(config({"tokenFile": "token"}))
    (tmp_path / "token").write_text("t1\n")
    assert find_access().headers["Authorization"] == "Bearer t1"

    (tmp_path / "token").write_text("t2\n")
    assert find_access().headers["Authorization"] == "Bearer t2"


def test_a_program_prints_credentials(write: Write, tmp_path: Path) -> None:
    answer = {"kind": "ExecCredential", "status": {"token": "t3"}}
    program = script(
        tmp_path / "login",
        f'#!/bin/sh\n[ "$1:$REALM" = get:eu ] && [ -n "$KUBERNETES_EXEC_INFO" ] && echo \'{json.dumps(answer)}\'\n',
    )
    write(
        config(
            {"exec": {"command": str(program), "args": ["get"], "env": [{"name": "REALM", "value": "eu"}]}}
        )
    )

    assert find_access().headers["Authorization"] == "Bearer t3"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("#!/bin/sh\necho 'session expired' >&2; exit 1\n", "session expired"),
        ("#!/bin/sh\necho hello\n", "printed no credentials"),
        ("#!/bin/sh\necho '{\"status\": 7}'\n", "printed no credentials"),
    ],
)
def test_a_program_that_gives_no_credentials_is_named_with_its_words(
    write: Write, tmp_path: Path, text: str, words: str
) -> None:
    program = script(tmp_path / "login", text)
    write(config({"exec": {"command": str(program), "installHint": "install the tool of the cloud"}}))

    with pytest.raises(NoAccess, match=words) as caught:
        find_access()

    assert str(program) in str(caught.value) and caught.value.hint == "install the tool of the cloud"


def test_user_and_password_are_sent_as_the_basic_scheme_wants_them(write: Write) -> None:
    write(config({"username": "ada", "password": "p:w"}))

    kind, _, text = find_access().headers["Authorization"].partition(" ")

    assert kind == "Basic" and base64.b64decode(text) == b"ada:p:w"


@pytest.mark.parametrize(
    ("document", "context", "words"),
    [
        ({}, "", "has no current context"),
        (config({}), "nope", "has no context 'nope'"),
        ({**config({}), "clusters": None}, "", "names no cluster that it has"),
        (config({"auth-provider": {"name": "gcp"}}), "", "auth-provider"),
        (config({}, **{"proxy-url": "http://p"}), "", "proxy-url"),
        (config({"tokenFile": "gone"}), "", "cannot be read"),
        (
            config({}, server="https://h", **{"certificate-authority": "gone.pem"}),
            "",
            "certificate authority",
        ),
        (
            config({}, server="https://h", **{"certificate-authority-data": "###"}),
            "",
            "certificate authority",
        ),
        (config({"client-certificate": "gone"}, server="https://h"), "", "client-certificate"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_says_why(
    write: Write, document: dict[str, Any], context: str, words: str
) -> None:
    write(document)

    with pytest.raises(NoAccess, match=words):
        find_access(context)


@pytest.mark.parametrize(
    "text",
    ["", "a: [", "[1, 2]", "contexts: {a: b}\ncurrent-context: x", "\x00", "users: 7\ncurrent-context: 3"],
)
def test_damaged_kubeconfigs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (tmp_path / "c").write_text(text)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "c"))

    with pytest.raises(NoAccess):
        find_access()


def test_without_a_kubeconfig_the_service_account_of_the_pod_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setattr(kubeconfig, "SERVICE_ACCOUNT", tmp_path)
    with pytest.raises(NoAccess, match="there is no kubeconfig"):
        find_access()

    (tmp_path / "token").write_text("of-the-pod\n")
    (tmp_path / "namespace").write_text("genomics")
    make_authority(tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "6443")

    found = find_access()

    assert (found.server, found.namespace) == ("https://[fd00::1]:6443", "genomics")
    assert found.headers == {"Authorization": "Bearer of-the-pod"} and found.context is not None


def test_a_client_certificate_is_loaded_and_left_nowhere(write: Write, tmp_path: Path) -> None:
    make_authority(tmp_path)
    texts = {name: base64.b64encode((tmp_path / name).read_bytes()).decode() for name in ("ca.crt", "ca.key")}
    user = {"client-certificate-data": texts["ca.crt"], "client-key-data": texts["ca.key"]}
    write(config(user, server="https://127.0.0.1:1", **{"certificate-authority-data": texts["ca.crt"]}))

    found = find_access()

    assert found.context is not None and found.headers == {}
    assert found.context.cert_store_stats()["x509_ca"] == 1


def make_authority(top: Path) -> None:
    """Make a certificate that signs itself."""
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-keyout", top / "ca.key", "-out", top / "ca.crt", "-days", "1", "-subj", "/CN=127.0.0.1"]
    names += ["-addext", "subjectAltName=IP:127.0.0.1"]
    try:
        subprocess.run([*words, *names], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip(f"there is no openssl beside {sys.executable}")
