"""AWS Batch in one region as a batch system: jobs are submitted, described and terminated through its API.

`botocore` signs the requests, by the credentials that it finds where AWS' own tools do (environment, `~/.aws`, single sign-on, role of the machine).
Credentials that have never worked are refused at once; those that have expired while the run went on are waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from markab.executors.aws_batch.job_request import DEFINITION, MOST_ELEMENTS, request_for, script_text
from markab.executors.aws_batch.job_states import CANCELLED, STATUSES, entry_of
from markab.executors.base import Seen
from markab.executors.remote.batch_service import NoAnswer, SubmitAnswer, SubmittedJob
from markab.executors.remote.batch_system import BatchElement, BatchJob, QueueEntry
from markab.executors.remote.batch_systems.spelling import by_job, one_line

CONNECT_TIMEOUT_S = 20
READ_TIMEOUT_S = 60
MOST_DESCRIBED = 100
"""Jobs of one DescribeJobs."""

_RENEW = (
    "renew the credentials: is `aws sts get-caller-identity` answered? For single sign-on: `aws sso login`"
)
_ALLOW = "the user needs the permissions batch:SubmitJob, batch:DescribeJobs, batch:ListJobs and batch:TerminateJob"
_CREDENTIAL_CODES = frozenset(
    {
        "ExpiredTokenException",
        "ExpiredToken",
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "IncompleteSignature",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
    }
)
_BUSY_CODES = frozenset(
    {"ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded", "Throttling"}
)


class ApiRefusal(Exception):
    """The API, or the library that calls it, will not do what was asked."""

    def __init__(self, words: str, hint: str = "", *, is_of_credentials: bool = False) -> None:
        super().__init__(words)
        self.hint = hint
        self.is_of_credentials = is_of_credentials


class AwsBatchRegion:
    """Meaning of the calls: `remote/batch_service.py`."""

    title = "AWS Batch"
    missing_hint = "install it where Markab is: pip install 'markab[aws]'"
    not_shared = "AWS Batch"

    def __init__(self, region: str = "", make_client: Callable[[], Any] | None = None) -> None:
        """Reach nothing yet; an empty region is that of the user's configuration."""
        self._make_client = make_client or (lambda: _client(region))
        self._client: Any = None
        self._is_known = False
        """The credentials have worked."""
        self._open: dict[str, set[int]] = {}
        """Job → elements that had not ended in the last listing."""

    def script(self, job: BatchJob, command: str) -> str:
        """Return the text of a job's script."""
        return script_text(job, command)

    def most_elements(self) -> int:
        """Return how many jobs an array may have."""
        return MOST_ELEMENTS

    def submit(self, job: BatchJob) -> SubmitAnswer:
        """Submit a job."""
        try:
            answer = self._call("submit_job", **request_for(job))
        except ApiRefusal as error:
            if error.is_of_credentials and self._is_known:
                return SubmitAnswer("", f"{error}; {error.hint}", is_busy=True)
            asked = f" (queue {job.queue!r}, job definition {job.attributes.get(DEFINITION, '')!r})"
            return SubmitAnswer("", f"{error}{'' if error.hint else asked}", hint=error.hint)
        native_id = str(answer.get("jobId") or "")
        if not native_id:
            raise NoAnswer("SubmitJob gave no id")
        return SubmitAnswer(native_id)

    def listing(self, jobs: Sequence[SubmittedJob]) -> dict[BatchElement, QueueEntry]:
        """Describe the jobs; those of which no id is known are looked for in their queue, by name."""
        found: dict[BatchElement, QueueEntry] = {}
        try:
            names = {native_id: one.job.name for one in jobs for native_id in one.native_ids}
            for one in jobs:
                if not one.native_ids:
                    names |= dict.fromkeys(self._ids_of(one.job), one.job.name)
            ids = list(names)
            for first in range(0, len(ids), MOST_DESCRIBED):
                answer = self._call("describe_jobs", jobs=ids[first : first + MOST_DESCRIBED])
                for job in answer.get("jobs") or ():
                    found |= self._states(names[job["jobId"]], job)
        except ApiRefusal as error:
            raise NoAnswer(f"{error}; {error.hint}" if error.hint else str(error)) from error
        except (KeyError, TypeError, AttributeError) as error:
            raise NoAnswer(f"the answer of the API cannot be read: {one_line(repr(error))}") from error
        self._open = {}
        for (native_id, position), entry in found.items():
            if entry.seen is not Seen.ENDED:
                self._open.setdefault(native_id, set()).add(position)
        return found

    def ended(self, name: str, native_id: str) -> dict[BatchElement, QueueEntry]:
        """Return nothing: for a week and more, the listing has them."""
        return {}

    def cancel(self, elements: Sequence[BatchElement]) -> None:
        """Terminate elements; the whole array, if nothing else of it is left."""
        for native_id, positions in by_job(elements).items():
            is_all = self._open.get(native_id, set()) <= set(positions)
            ids = [native_id] if is_all else [f"{native_id}:{position}" for position in positions]
            for each in ids:
                try:
                    self._call("terminate_job", jobId=each, reason=CANCELLED)
                except ApiRefusal as error:
                    raise NoAnswer(str(error)) from error

    def shares(self, path: Path) -> bool:
        """Return True: only a job can tell."""
        return True

    def close(self) -> None:
        """Close the connection."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _ids_of(self, job: BatchJob) -> list[str]:
        """Return the jobs with the name of a batch; arrays, and not their elements."""
        filters = [{"name": "JOB_NAME", "values": [job.name]}]
        return [
            str(one["jobId"])
            for one in self._pages(jobQueue=job.queue, filters=filters)
            if one.get("jobName") == job.name and ":" not in str(one["jobId"])
        ]

    def _states(self, name: str, job: dict[str, Any]) -> dict[BatchElement, QueueEntry]:
        native_id, array = str(job["jobId"]), job.get("arrayProperties") or {}
        if not array.get("size"):
            entry = entry_of(name, job)
            return {BatchElement(native_id, 0): entry} if entry else {}
        of_all = entry_of(name, job)
        found: dict[BatchElement, QueueEntry] = {}
        if of_all is not None:
            found = {BatchElement(native_id, position): of_all for position in range(int(array["size"]))}
        counts = array.get("statusSummary") or {}
        for status in STATUSES:
            if counts and not counts.get(status):
                continue
            for one in self._pages(arrayJobId=native_id, jobStatus=status):
                entry = entry_of(name, one)
                position = (one.get("arrayProperties") or {}).get("index")
                if entry is not None and isinstance(position, int):
                    found[BatchElement(native_id, position)] = entry
        return found

    def _pages(self, **asked: Any) -> Iterator[dict[str, Any]]:
        while True:
            answer = self._call("list_jobs", **asked)
            yield from answer.get("jobSummaryList") or ()
            token = answer.get("nextToken")
            if not token:
                return
            asked["nextToken"] = token

    def _call(self, operation: str, **asked: Any) -> dict[str, Any]:
        """Call the API.

        Raises:
            ApiRefusal: it is refused, and not only for the moment.
            NoAnswer: it cannot be known what it did, if anything.
        """
        if self._client is None:
            self._client = self._make_client()
        from botocore import exceptions as causes

        try:
            answer: dict[str, Any] = getattr(self._client, operation)(**asked)
        except causes.ClientError as error:
            raise self._refusal(error.response) from error
        except (
            causes.NoCredentialsError,
            causes.PartialCredentialsError,
            causes.CredentialRetrievalError,
            causes.TokenRetrievalError,
            causes.UnauthorizedSSOTokenError,
            causes.SSOError,
        ) as error:
            self._client = None  # it keeps the credentials that it found
            raise ApiRefusal(one_line(str(error)), _RENEW, is_of_credentials=True) from error
        except causes.ParamValidationError as error:
            raise ApiRefusal(one_line(str(error))) from error
        except (causes.BotoCoreError, OSError) as error:
            raise NoAnswer(one_line(str(error))) from error
        self._is_known = True
        return answer

    def _refusal(self, response: Mapping[str, Any]) -> ApiRefusal:
        """Return why the API refused a call. Raises NoAnswer, if it did so for the moment."""
        said = response.get("Error") or {}
        code, message = str(said.get("Code", "")), str(said.get("Message", ""))
        status = (response.get("ResponseMetadata") or {}).get("HTTPStatusCode", 0)
        words = one_line(f"{code}: {message}" if message else code or f"HTTP status {status}")
        if code in _BUSY_CODES or status >= 500 or status == 429:
            raise NoAnswer(words)
        if code in _CREDENTIAL_CODES or status == 401:
            self._client = None
            return ApiRefusal(words, _RENEW, is_of_credentials=True)
        if code.startswith("AccessDenied") or status == 403:
            return ApiRefusal(words, _ALLOW)
        return ApiRefusal(words)


def _client(region: str) -> Any:
    """Return a client of AWS Batch. Raises NoAnswer, ApiRefusal."""
    try:
        from botocore import exceptions as causes
        from botocore.config import Config
        from botocore.session import get_session
    except ImportError:
        raise NoAnswer("the package 'botocore' is not installed", is_permanent=True) from None
    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"total_max_attempts": 1},  # a submission is looked for before it is tried again
    )
    try:
        return get_session().create_client("batch", region_name=region or None, config=config)
    except causes.NoRegionError as error:
        hint = "give the site the profile pegasus.aws.region, or set $AWS_DEFAULT_REGION"
        raise ApiRefusal(one_line(str(error)), hint) from error
    except (causes.BotoCoreError, ValueError) as error:
        raise ApiRefusal(one_line(str(error)), "correct the configuration of AWS in ~/.aws") from error
