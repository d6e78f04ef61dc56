import pytest
from hypothesis import given
from hypothesis import strategies as st

from markab.api import ExprVar, Job, Namespace, Site
from markab.api.profiles import CONDOR, DAGMAN, GLOBUS, PEGASUS, SELECTOR, to_mb
from markab.spec.profile_keys import is_profile_key


@pytest.mark.parametrize(
    ("given", "megabytes"),
    [
        ("1 MB", 1),
        ("2GB", 2048),
        ("2 gb", 2048),
        (" 1e3 mb ", 1000),
        ("3 TB", 3 * 1024**2),
        (512, 512),
        ("7", 7),
        ("1 YB", 1024**6),
    ],
)
def test_sizes_are_binary_whole_numbers_of_mb(given: object, megabytes: int) -> None:
    job = Job("x").add_pegasus_profile(memory=given, diskspace=given, pmc_request_memory=given)
    assert set(job.profiles["pegasus"].values()) == {megabytes}
    assert Job("x").add_condor_profile(request_memory=given).profiles["condor"] == {
        "request_memory": megabytes
    }


def test_request_disk_is_in_kb() -> None:
    assert Job("x").add_condor_profile(request_disk="1 GB").profiles == {"condor": {"request_disk": 1048576}}
    assert Job("x").add_condor_profile(request_disk=1).profiles == {"condor": {"request_disk": 1024}}


@pytest.mark.parametrize(
    "size", ["1.5 GB", "1e-3 GB", "1e999 GB", "1 KB", "GB", "", "-1 MB", "1 GB of memory"]
)
def test_other_sizes_are_refused_with_an_example(size: str) -> None:
    with pytest.raises(ValueError, match="as in '2 GB'"):
        Job("x").add_pegasus_profile(memory=size)


@given(st.integers(min_value=0), st.sampled_from(["MB", "GB", "TB", "PB", "EB", "ZB", "YB"]))
def test_a_larger_unit_is_1024_times_as_much(number: int, unit: str) -> None:
    units = ["MB", "GB", "TB", "PB", "EB", "ZB", "YB"]
    assert to_mb(f"{number} {unit}") == number * 1024 ** units.index(unit)


@pytest.mark.parametrize(
    ("helper", "keyword", "namespace", "key"),
    [
        ("pegasus", "clusters_max_runtime", "pegasus", "clusters.maxruntime"),
        ("pegasus", "grid_start_launcher_arguments", "pegasus", "gridstart.launcher.arguments"),
        ("pegasus", "stageout_remote_clusters", "pegasus", "stageout.remote.clusters"),
        ("pegasus", "exitcode_failure_msg", "pegasus", "exitcode.failuremsg"),
        ("pegasus", "checkpoint_time", "pegasus", "checkpoint.time"),
        ("pegasus", "max_walltime", "pegasus", "maxwalltime"),
        ("pegasus", "boto_config", "pegasus", "BOTO_CONFIG"),
        ("pegasus", "pegasus_lite_env_source", "pegasus", "pegasus_lite_env_source"),
        ("pegasus", "cores_expr", "pegasus", "cores.expr"),
        ("pegasus", "glite_arguments_expr", "pegasus", "glite.arguments.expr"),
        ("condor", "filesystem_domain", "condor", "filesystemdomain"),
        ("dagman", "pre_arguments", "dagman", "PRE.ARGUMENTS"),
        ("dagman", "abort_dag_on", "dagman", "ABORT-DAG-ON"),
        ("dagman", "max_idle", "dagman", "MAXIDLE"),
        ("globus", "max_wall_time", "globus", "maxwalltime"),
        ("selector", "execution_site", "selector", "execution.site"),
        ("selector", "grid_job_type", "selector", "grid.jobtype"),
    ],
)
def test_keywords_stand_for_their_keys_also_in_the_plural(
    helper: str, keyword: str, namespace: str, key: str
) -> None:
    for name in (f"add_{helper}_profile", f"add_{helper}_profiles"):
        job = getattr(Job("x"), name)(**{keyword: "v"})
        assert job.profiles == {namespace: {key: "v"}}


@pytest.mark.parametrize("keyword", sorted(PEGASUS))
def test_every_pegasus_keyword_has_a_key_that_the_planner_knows(keyword: str) -> None:
    assert is_profile_key("pegasus", PEGASUS[keyword][0])


def test_there_are_as_many_keywords_as_the_documentation_lists() -> None:
    """Counted by hand, so that a row lost from a table is noticed."""
    assert [len(table) for table in (PEGASUS, CONDOR, DAGMAN, GLOBUS, SELECTOR)] == [59, 17, 13, 9, 3]


def test_none_says_nothing_and_an_unknown_keyword_is_named_with_the_likely_one() -> None:
    assert Job("x").add_pegasus_profile(cores=None).profiles == {}
    with pytest.raises(
        TypeError, match=r"add_pegasus_profile\(\) has no keyword 'core': did you mean 'cores'"
    ):
        Job("x").add_pegasus_profile(core=1)
    assert "clusters.maxruntime" in (Job.add_pegasus_profile.__doc__ or "")


def test_add_env_takes_a_pair_and_keywords() -> None:
    site = Site("s").add_env("PATH", "/bin").add_env(N=1, B=False, key_with="x")
    assert site.profiles == {"env": {"PATH": "/bin", "N": 1, "B": "False", "key_with": "x"}}


def test_generic_profiles_keep_numbers_and_turn_truth_and_paths_into_text(tmp_path) -> None:
    job = (
        Job("x")
        .add_profiles(Namespace.CONDOR, key="+Big", value=True)
        .add_profiles(Namespace.CONDOR, n=1, p=tmp_path)
    )
    assert job.profiles == {"condor": {"+Big": "True", "n": 1, "p": str(tmp_path)}}


def test_half_a_profile_has_no_effect_but_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    job = Job("x").add_profiles(Namespace.ENV)
    assert not caplog.records
    job.add_profiles(Namespace.ENV, "A").add_env(value="b")
    assert job.profiles == {}
    assert [record.getMessage() for record in caplog.records] == [
        "a profile of env is not set: key 'A' and value None go together",
        "a profile of env is not set: key None and value 'b' go together",
    ]


def test_profiles_metadata_and_hooks_can_be_assigned_and_a_namespace_is_made_when_asked_for() -> None:
    job = Job("x")
    job.profiles["env"]["A"] = "1"
    assert job.profiles == {"env": {"A": "1"}}
    job.profiles, job.metadata, job.hooks = {"env": {"B": "2"}}, {"k": "v"}, {}
    job.add_env(C="3").add_metadata(n=1)
    assert job.profiles == {"env": {"B": "2", "C": "3"}}
    assert (job.metadata, job.hooks) == ({"k": "v", "n": "1"}, {})


def test_no_object_can_be_made_of_exprvar() -> None:
    with pytest.raises(TypeError):
        ExprVar()
    assert f"{ExprVar.pegasus_memory_mb} * 2" == "pegasus_memory_mb * 2"
