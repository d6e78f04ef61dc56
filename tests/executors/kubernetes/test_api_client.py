"""One request to the API of Kubernetes: credentials that are renewed, and answers that do not come."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from executors.kubernetes.test_kubeconfig import make_authority
from kit.fake_cloud.kubernetes_api import FakeKubernetes, fake_kubernetes
from markab.executors.kubernetes.api_client import ApiClient
from markab.executors.kubernetes.kubeconfig import ApiAccess
from markab.executors.remote.batch_service import NoAnswer

JOBS = "/apis/batch/v1/namespaces/science/jobs"


@pytest.fixture
def cluster() -> Iterator[FakeKubernetes]:
    with fake_kubernetes() as made:
        yield made


def access(cluster: FakeKubernetes, token: str) -> ApiAccess:
    return ApiAccess(cluster.url, "science", None, {"Authorization": f"Bearer {token}"})


def test_credentials_that_are_refused_are_read_anew_once(cluster: FakeKubernetes) -> None:
    tokens = ["s3cret", "s4cret", "s4cret"]
    client = ApiClient(lambda: access(cluster, tokens.pop(0)))
    assert client.call("GET", JOBS).is_ok

    cluster.token = "s4cret"
    assert client.call("GET", JOBS).is_ok

    cluster.token = "s5cret"
    assert client.call("GET", JOBS).words == "401 Unauthorized"
    assert tokens == []


def test_an_answer_that_is_late_is_none(cluster: FakeKubernetes) -> None:
    cluster.fail("list jobs", "slow")

    with pytest.raises(NoAnswer, match="did not answer within 0 s"):
        ApiClient(lambda: access(cluster, "s3cret"), timeout_s=0.2).call("GET", JOBS)


def test_a_server_that_is_gone_is_named() -> None:
    client = ApiClient(lambda: ApiAccess("http://127.0.0.1:1", "science", None))

    with pytest.raises(NoAnswer, match="the API at 'http://127.0.0.1:1' cannot be reached"):
        client.call("GET", JOBS)


def test_the_words_of_an_error_that_is_no_json_are_cut() -> None:
    with fake_kubernetes() as cluster:
        cluster.fail("list jobs", (502, "<html>" + "x" * 5000))
        answer = ApiClient(lambda: access(cluster, "s3cret")).call("GET", JOBS)

    assert answer.words.startswith("502 Bad Gateway") and len(answer.words) <= 500


def test_a_certificate_that_is_not_trusted_is_no_answer_and_one_that_is_trusted_counts(
    cluster: FakeKubernetes, tmp_path: Path
) -> None:
    make_authority(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "ca.crt", tmp_path / "ca.key")
    cluster.wrap(tls)
    url = cluster.url.replace("http://", "https://")
    headers = {"Authorization": "Bearer s3cret"}

    def client(context: ssl.SSLContext, name: str = "") -> ApiClient:
        return ApiClient(lambda: ApiAccess(url, "science", context, headers, name))

    with pytest.raises(NoAnswer, match="certificate that is not trusted"):
        client(ssl.create_default_context()).call("GET", JOBS)
    trusted = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
    assert client(trusted).call("GET", JOBS).is_ok
    with pytest.raises(NoAnswer, match="certificate that is not trusted"):
        client(trusted, "another.example").call("GET", JOBS)
