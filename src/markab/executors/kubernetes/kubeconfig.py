"""Where the API of a cluster is, and by which credentials: of the user's kubeconfig, or of the pod in which Markab runs.

$KUBECONFIG (several files, of which the first that has an entry counts), else `~/.kube/config`, else the service account of this pod.
Credentials: a token, in the file or beside it; a client certificate; user and password; or a program that prints them (`exec`),
as the clusters of the large clouds have it. They are read anew whenever the API refuses them, and are never written anywhere.

Source: the Kubernetes documentation, "Organizing Cluster Access Using kubeconfig Files", and the reference of client.authentication.k8s.io/v1.
"""

from __future__ import annotations

import base64
import json
import os
import ssl
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from markab.executors.remote.batch_systems.spelling import one_line

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
PROGRAM_TIMEOUT_S = 60.0


class NoAccess(Exception):
    """There are no usable credentials; the message says why."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class ApiAccess:
    """How to reach the API of a cluster."""

    server: str
    """Its URL."""
    namespace: str
    """Where jobs go that name none."""
    context: ssl.SSLContext | None
    """None: it is not encrypted."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """With the credentials."""
    server_name: str = ""
    """That the certificate has, if it is not that of the URL."""


def find_access(context: str = "") -> ApiAccess:
    """Return the access by a context of the kubeconfig; empty: the current one.

    Raises:
        NoAccess: there is none, or it cannot be used.
    """
    files = [Path(text) for text in os.environ.get("KUBECONFIG", "").split(os.pathsep) if text]
    files = files or [Path.home() / ".kube" / "config"]
    there = [path for path in files if path.is_file()]
    if not there:
        if not context and (found := _of_pod()):
            return found
        names = ", ".join(f"'{path}'" for path in files)
        raise NoAccess(
            f"there is no kubeconfig: {names}",
            "get one of the administrators of the cluster, or let $KUBECONFIG name it",
        )
    return _of_documents([(path.parent, _read(path)) for path in there], context)


def _read(path: Path) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            document = yaml.safe_load(file)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise NoAccess(f"kubeconfig '{path}' cannot be read: {one_line(str(error))}") from error
    return document if isinstance(document, dict) else {}


def _of_documents(documents: list[tuple[Path, dict[str, Any]]], wanted: str) -> ApiAccess:
    name = wanted or next(
        (str(one["current-context"]) for _, one in documents if one.get("current-context")), ""
    )
    if not name:
        raise NoAccess(
            "the kubeconfig has no current context",
            "choose one: `kubectl config use-context NAME`, or name it as the contact of the site",
        )
    _, context = _entry(documents, "contexts", "context", name)
    if context is None:
        known = ", ".join(sorted(_names(documents, "contexts"))) or "none"
        raise NoAccess(f"the kubeconfig has no context {name!r}", f"its contexts: {known}")
    folder, cluster = _entry(documents, "clusters", "cluster", str(context.get("cluster", "")))
    if cluster is None or not cluster.get("server"):
        raise NoAccess(f"context {name!r} of the kubeconfig names no cluster that it has")
    if cluster.get("proxy-url"):
        raise NoAccess(
            f"the cluster of context {name!r} is behind a proxy (proxy-url), which Markab does not use"
        )
    user_folder, user = _entry(documents, "users", "user", str(context.get("user", "")))
    server = str(cluster["server"])
    tls = _tls(folder, cluster) if server.startswith("https://") else None
    headers: dict[str, str] = {}
    if user is not None:
        headers = _credentials(user_folder, user, tls, name)
    return ApiAccess(
        server,
        str(context.get("namespace") or "default"),
        tls,
        headers,
        str(cluster.get("tls-server-name") or ""),
    )


def _entry(
    documents: list[tuple[Path, dict[str, Any]]], plural: str, single: str, name: str
) -> tuple[Path, dict[str, Any] | None]:
    for folder, document in documents:
        for one in document.get(plural) or ():
            if isinstance(one, dict) and one.get("name") == name and isinstance(one.get(single), dict):
                return folder, one[single]
    return Path(), None


def _names(documents: list[tuple[Path, dict[str, Any]]], plural: str) -> set[str]:
    return {
        str(one.get("name"))
        for _, document in documents
        for one in document.get(plural) or ()
        if isinstance(one, dict)
    }


def _tls(folder: Path, cluster: Mapping[str, Any]) -> ssl.SSLContext:
    """Return what checks the server: by the authority of the kubeconfig alone, if it has one."""
    if cluster.get("insecure-skip-tls-verify") is True:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    data, file = cluster.get("certificate-authority-data"), cluster.get("certificate-authority")
    if not (data or file):
        return ssl.create_default_context()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody yet
    try:
        if data:
            context.load_verify_locations(cadata=base64.b64decode(str(data)).decode())
        else:
            context.load_verify_locations(cafile=str(folder / str(file)))
    except (OSError, ValueError) as error:
        raise NoAccess(f"the certificate authority of the kubeconfig cannot be used: {error}") from error
    return context


def _credentials(
    folder: Path, user: Mapping[str, Any], tls: ssl.SSLContext | None, context: str
) -> dict[str, str]:
    """Return the headers that say who asks; a client certificate goes into `tls`."""
    if isinstance(program := user.get("exec"), dict):
        user = _of_program(program, context)
    if user.get("auth-provider"):
        raise NoAccess(
            f"context {context!r} of the kubeconfig has an auth-provider, which clients do not support any more",
            "let the tool of the cloud write it anew, with an `exec` entry",
        )
    _load_certificate(folder, user, tls)
    token = str(user.get("token") or "")
    if file := user.get("tokenFile"):
        try:
            token = (folder / str(file)).read_text().strip() or token
        except OSError as error:
            raise NoAccess(
                f"the file with the token, '{folder / str(file)}', cannot be read: {error.strerror}"
            ) from error
    if token:
        return {"Authorization": f"Bearer {token}"}
    if user.get("username"):
        pair = f"{user['username']}:{user.get('password', '')}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    return {}


def _load_certificate(folder: Path, user: Mapping[str, Any], tls: ssl.SSLContext | None) -> None:
    texts = []
    for key in ("client-certificate", "client-key"):
        try:
            if data := user.get(f"{key}-data"):
                texts.append(base64.b64decode(str(data)))
            elif file := user.get(key):
                texts.append((folder / str(file)).read_bytes())
        except (OSError, ValueError) as error:
            raise NoAccess(f"the {key} of the kubeconfig cannot be read: {error}") from error
    if len(texts) != 2 or tls is None:
        return
    with tempfile.NamedTemporaryFile(
        prefix="markab-", suffix=".pem"
    ) as both:  # private; OpenSSL reads only files
        both.write(b"\n".join(texts))
        both.flush()
        try:
            tls.load_cert_chain(both.name)
        except (OSError, ValueError) as error:
            raise NoAccess(f"the client certificate of the kubeconfig cannot be used: {error}") from error


def _of_program(program: Mapping[str, Any], context: str) -> dict[str, Any]:
    """Return the credentials that a program prints, as an entry of a user has them."""
    words = [str(program.get("command", "")), *map(str, program.get("args") or ())]
    version = str(program.get("apiVersion", "client.authentication.k8s.io/v1"))
    asked = {"kind": "ExecCredential", "apiVersion": version, "spec": {"interactive": False}}
    environment = {**os.environ, "KUBERNETES_EXEC_INFO": json.dumps(asked)}
    for one in program.get("env") or ():
        environment[str(one.get("name"))] = str(one.get("value"))
    title = f"the program of context {context!r} that gives credentials, `{words[0]}`,"
    hint = str(program.get("installHint") or "") or f"does `{' '.join(words)}` print credentials?"
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env=environment,
            timeout=PROGRAM_TIMEOUT_S,
            start_new_session=True,
            check=False,
        )
    except (OSError, ValueError) as error:
        raise NoAccess(f"{title} cannot be run: {error}", hint) from error
    except subprocess.TimeoutExpired:
        raise NoAccess(f"{title} did not answer within {PROGRAM_TIMEOUT_S:.0f} s", hint) from None
    if done.returncode != 0:
        raise NoAccess(f"{title} failed: {one_line(done.stderr) or f'exit code {done.returncode}'}", hint)
    try:
        status = json.loads(done.stdout)["status"]
        found = {
            "token": status.get("token"),
            "client-certificate-data": _encoded(status.get("clientCertificateData")),
            "client-key-data": _encoded(status.get("clientKeyData")),
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise NoAccess(f"{title} printed no credentials", hint) from None
    return {key: value for key, value in found.items() if value}


def _encoded(text: object) -> str:
    return base64.b64encode(text.encode()).decode() if isinstance(text, str) else ""


def _of_pod() -> ApiAccess | None:
    """Return the access that a pod has; None: Markab does not run in one."""
    host, port = (
        os.environ.get("KUBERNETES_SERVICE_HOST", ""),
        os.environ.get("KUBERNETES_SERVICE_PORT", "443"),
    )
    try:
        token = (SERVICE_ACCOUNT / "token").read_text().strip()
        namespace = (SERVICE_ACCOUNT / "namespace").read_text().strip()
        tls = ssl.create_default_context(cafile=str(SERVICE_ACCOUNT / "ca.crt"))
    except OSError:
        return None
    if not host:
        return None
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    return ApiAccess(server, namespace or "default", tls, {"Authorization": f"Bearer {token}"})
