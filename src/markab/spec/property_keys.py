"""The known properties: key, default, valid values, what this version does with each, and what it is for.

`*` stands for any word between dots, `**` for any words. Keys that are profiles of all jobs
(`pegasus.cores`, `env.PATH`) stand in `profile_keys.py`. The reference page is written from this
table, `Properties.ls` prints it, and planning says which of them are set and do nothing.

Many only matter to back ends, services or conventions of Pegasus; they are listed so
that a property file written for Pegasus gives no warnings.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from markab.spec.profile_keys import KEYS, Effect


class PropertyKey(NamedTuple):
    """A known property."""

    key: str
    default: str
    """Empty: there is none."""
    choices: tuple[str, ...]
    """The valid values; empty: any text, number or path."""
    effect: Effect
    """READ, NEEDLESS or NOT_YET."""
    purpose: str


def _keys(text: str) -> tuple[PropertyKey, ...]:
    rows = []
    for line in text.strip().splitlines():
        key, default, choices, effect, purpose = (cell.strip() for cell in line.split("|"))
        rows.append(
            PropertyKey(key, default, tuple(choices.split()), Effect(effect.replace("-", " ")), purpose)
        )
    return tuple(rows)


KNOWN = _keys("""
pegasus.mode | production | production development tutorial debug | read | bundle of defaults for retries, integrity and transfers. `production`: 3 retries, 3 tries of a transfer, all checksums; `development`: 1, 1, none; `tutorial`: 1, 1, all; `debug`: 0, 1, all
pegasus.home | | | needless | directory of an installation of Pegasus
pegasus.home.datadir | | | needless | part of that installation
pegasus.home.localstatedir | | | needless | part of that installation
pegasus.home.sharedstatedir | | | needless | part of that installation
pegasus.home.sysconfdir | | | needless | part of that installation
pegasus.schema.dax | | | needless | schema of workflows in XML
pegasus.schema.sc | | | needless | schema of site catalogs in XML
pegasus.schema.ivr | | | needless | schema of records of Kickstart in XML
pegasus.data.configuration | condorio | sharedfs nonsharedfs condorio | read | how files reach the jobs. Also as a profile of a site, transformation or job
pegasus.data.reuse.scope | full | full partial none | read | which jobs are left out because their outputs exist
pegasus.integrity.checking | full | full nosymlink none | read | which files have their checksums verified. Default by `pegasus.mode`
pegasus.register | true | true false | read | whether outputs enter the output replica catalog. In which catalog: `pegasus.catalog.replica.output`
pegasus.register.deep | true | true false | read | whether they are registered with their directories; `false`: under the last part of their names
pegasus.transfer.bypass.input.staging | false | true false | read | jobs fetch inputs themselves instead of through the staging site. Also as a profile
pegasus.transfer.container.onhost | true | true false | not-yet | transfers of jobs in containers run outside the container
pegasus.transfer.links | false | true false | read | link inputs that are on the same site instead of copying them
pegasus.transfer.threads | 2 | | read | files that one transfer job moves at a time
pegasus.transfer.stagein.threads | | | read | the same for stage-in jobs
pegasus.transfer.inter.threads | | | read | the same for inter-site jobs
pegasus.transfer.stageout.threads | | | read | the same for stage-out jobs
pegasus.transfer.arguments | | | read | arguments for the transfer tool in transfer jobs: `-n N` files at a time, `-m N` tries; others have no effect. Also as a profile, with `-n`
pegasus.transfer.lite.arguments | | | read | the same for the files that a job moves itself; with `-n`
pegasus.transfer.worker.package | false | true false | needless | send the worker's tools to the sites
pegasus.transfer.worker.package.autodownload | true | true false | needless | fetch the worker's tools when they do not fit the node
pegasus.transfer.worker.package.strict | true | true false | needless | the worker's tools must have the planner's version
pegasus.transfer.*.impl | Transfer | | needless | which tool transfer jobs use
pegasus.transfer.*.remote.sites | | | read | staging sites whose transfer jobs run there and not at site `local`, separated by commas, or `*` for all; for `stagein`, `stageout`, `inter` or `all`
pegasus.transfer.stagein.priority | 700 | | read | priority of stage-in jobs. Of those of one level each has one less than that before it
pegasus.transfer.inter.priority | 700 | | read | priority of inter-site jobs
pegasus.transfer.stageout.priority | 900 | | read | priority of stage-out jobs
pegasus.transfer.staging.delimiter | - | | read | stands between the parts of a staged executable's name
pegasus.transfer.disable.chmod.sites | | | needless | sites without jobs that make staged executables executable: there are none, they arrive so
pegasus.transfer.setup.source.base.url | | | needless | where the worker's tools are fetched from
pegasus.transfer.refiner | BalancedCluster | BalancedCluster Cluster Basic | read | how transfers are put into jobs. `BalancedCluster` and `Cluster`: one job for ten of a level, or as many as the profiles `stagein.clusters` and `stageout.clusters` say; `Basic`: one for each job
pegasus.transfer.force | false | true false | needless | overwrite files that exist: they are replaced in any case
pegasus.catalog.replica | YAML | YAML File Regex Directory JDBCRC MRC Meta | read | kind of the replica catalog. `YAML`, `File`, `Directory` (`Regex` is read as `File`), `JDBCRC` in a database, and `MRC` for several together; `Meta` is an error
pegasus.catalog.replica.file | ./replicas.yml | | read | file of the replica catalog. `./rc.txt` when the kind is `File`
pegasus.catalog.replica.directory | | | read | directory whose files are replicas
pegasus.catalog.replica.directory.site | local | | read | site of the files of a replica directory
pegasus.catalog.replica.directory.flat.lfn | false | true false | read | name the files of a replica directory without their directories
pegasus.catalog.replica.directory.url.prefix | file:// | | read | stands before the paths of a replica directory
pegasus.catalog.replica.cache.asrc | false | true false | read | cache files add to the replica catalog instead of hiding it
pegasus.catalog.replica.dax.asrc | false | true false | read | replicas in the workflow add to the replica catalog instead of hiding it
pegasus.catalog.replica.chunk.size | 1000 | | needless | replicas read at a time
pegasus.catalog.replica.mrc.* | | YAML File Regex Directory JDBCRC | read | with `MRC`: kind of one of several replica catalogs, under a name of your choice. Places of a file in the first named come first
pegasus.catalog.replica.mrc.** | | | read | settings of that catalog, named as those of `pegasus.catalog.replica`, such as `mrc.NAME.file`; `url` is its file, directory or database
pegasus.catalog.replica.output | JDBCRC | JDBCRC YAML File | read | kind of the catalog where outputs are registered. `JDBCRC`: in a database, by default the SQLite file `<workflow>-0.replicas.db` in the submit directory
pegasus.catalog.replica.output.** | | | read | settings of that catalog. `file`, with `YAML` and `File`; `db.url`, `db.user`, `db.password` as of `pegasus.catalog.replica`
pegasus.catalog.replica.url | | | read | file, directory or database of the replica catalog. Weaker than `file`, `directory` and `db.url`
pegasus.catalog.replica.db.driver | | | needless | kind of the database of a replica catalog, which its address says
pegasus.catalog.replica.db.url | | | read | database of a replica catalog of the kind `JDBCRC`. `jdbc:sqlite:FILE`, `jdbc:postgresql://HOST/DATABASE` (extra `postgres`) or `jdbc:mysql://HOST/DATABASE` (extra `mysql`)
pegasus.catalog.replica.db.user | | | read | name of the user of a replica catalog on a server
pegasus.catalog.replica.db.password | | | read | password of that user
pegasus.catalog.replica.db.** | | | not-yet | more about that connection
pegasus.catalog.*.db | | | needless | kind of database of a catalog
pegasus.catalog.*.db.** | | | read | connection to the database of a catalog. `user` and `password` are those of a server
pegasus.catalog.*.timeout | | | needless | seconds to wait for a locked database
pegasus.catalog.site | YAML | YAML XML | read | kind of the site catalog. XML of version 4 is recognised by its content; with `XML` the default file is `./sites.xml` if there is no `./sites.yml`
pegasus.catalog.site.file | ./sites.yml | | read | file of the site catalog
pegasus.catalog.site.repo | | | read | directory where the published site definitions were downloaded to; an address has no effect
pegasus.catalog.site.repo.file | | | read | which of them: a file there, else in the current directory, whose sites are below those of the site catalog, key by key; `env.NAME` among the properties is a variable in it. Never fetched: a missing file is an error
pegasus.catalog.site.repo.interval | 86400 | | needless | seconds until they are fetched again
pegasus.catalog.site.sites.*.profiles.*.** | | | read | a profile of one site (site, namespace, key), stronger than the same of the site catalog; `Properties.add_site_profile` sets it
pegasus.catalog.transformation | YAML | YAML Text Directory | read | kind of the transformation catalog. With `Text`, the default file is `./tc.txt`
pegasus.catalog.transformation.file | ./transformations.yml | | read | file of the transformation catalog
pegasus.catalog.transformation.mapper | All | All Installed Staged Submit | read | which entries of the transformation catalog count. `Installed`: those that are installed; `Staged`: those that are staged; `Submit`: those that are staged from site `local`
pegasus.catalog.transformation.directory | transformations | | read | directory whose files are executables
pegasus.catalog.transformation.directory.site | local | | read | site of these files
pegasus.catalog.transformation.directory.flat.lfn | false | true false | read | name the executables without their directories
pegasus.catalog.transformation.directory.url.prefix | file:// | | read | stands before the paths of these files
pegasus.catalog.workflow.url | | | read | database of this workflow's provenance. SQLite in the submit directory, or a PostgreSQL server (extra `postgres`)
pegasus.catalog.workflow.amqp.url | | | needless | message broker to which events are sent
pegasus.catalog.workflow.amqp.events | | | needless | which events are sent there
pegasus.catalog.workflow.amqp.** | | | needless | more about that broker
pegasus.catalog.workflow.** | | | not-yet | more places where events are sent
pegasus.catalog.master.url | | | read | database of all workflows of a user. `~/.pegasus/workflow.db` if not set
pegasus.catalog.master.** | | | not-yet | settings of that database
pegasus.selector.replica | Default | Default Regex Restricted Local | read | how the best replica of a file is chosen. `Default`: the nearest; `Regex`: by the patterns below; `Restricted`: by the sites below; `Local`: paths of site `local` alone, if there are any
pegasus.selector.replica.regex.rank.* | | | read | with `Regex`: a regular expression that matches whole URLs; those of lower numbers come first, those that match none last
pegasus.selector.regex.rank.* | | | read | other spelling of `pegasus.selector.replica.regex.rank.*`
pegasus.selector.replica.*.ignore.stagein.sites | | | read | with `Restricted`: sites whose replicas are not used for jobs at this site (`*`: at any), separated by commas, unless they are preferred
pegasus.selector.replica.*.prefer.stagein.sites | | | read | with `Restricted`: sites whose replicas are used first
pegasus.selector.site | Random | Random RoundRobin Group Heft NonJavaCallout | read | how the site of a job is chosen among those that can run it. `NonJavaCallout`: by a program
pegasus.selector.site.path | | | read | program that chooses sites
pegasus.selector.site.env.* | | | read | environment of that program, beside the planner's
pegasus.selector.site.timeout | 60 | | read | seconds that program may take for one job. `0`: any time
pegasus.selector.site.keep.tmp | onerror | onerror always never | read | when its files are kept
pegasus.selector.transformation | Random | Random Installed Staged Submit | read | which of several executables is used. `Random`: the first that fits, installed before staged; the others as with the mapper
pegasus.dir.submit.mapper | Hashed | Flat Hashed Named | needless | how submit files are spread over directories; there is no file a job
pegasus.dir.submit.mapper.hashed.levels | 2 | | needless | directories below each other
pegasus.dir.submit.mapper.hashed.multiplier | 5 | | needless | files of one job
pegasus.dir.submit.logs | | | needless | directory of log files
pegasus.dir.staging.mapper | Hashed | Flat Hashed | needless | how files are spread at the staging site; they stand there under their names
pegasus.dir.staging.mapper.hashed.levels | 2 | | needless | directories below each other
pegasus.dir.staging.mapper.hashed.multiplier | 5 | | needless | files of one job
pegasus.dir.storage.mapper | Flat | Flat Fixed Hashed Replica | read | where outputs are put at the output site. `Hashed`: from 257 results on, in directories named by the hash of their names
pegasus.dir.storage.mapper.fixed.url | | | read | the one place for all outputs. A directory for all results; with `Fixed`
pegasus.dir.storage.mapper.hashed.levels | 2 | | read | directories below each other, at most: 256 results need none, 65,536 need one
pegasus.dir.storage.mapper.hashed.multiplier | 5 | | needless | files of one directory; results are counted
pegasus.dir.storage.mapper.replica | | | read | kind of the catalog that holds the places of outputs. `File` by default, or `Regex`, which is the same, or `YAML`; with `Replica`
pegasus.dir.storage.mapper.replica.** | | | read | settings of that catalog. `file`: the file with the places; as `--output-map`
pegasus.dir.storage.deep | false | true false | read | outputs go to directories named after the run
pegasus.dir.storage | | | read | directory for outputs: below the storage of each site, or in its place if it is absolute
pegasus.dir.exec | | | read | directory of runs below the scratch of each site, or in its place if it is absolute
pegasus.dir.useTimestamp | false | true false | read | name runs by the time instead of run0001
pegasus.dir.create.strategy | Minimal | Minimal HourGlass Tentacles | read | which jobs wait for the making of directories. `Minimal`: those that use them; `Tentacles`: the same, as a job waits for what its parents waited for; `HourGlass`: all, for all of them
pegasus.dir.create.impl | | | needless | how directories are made
pegasus.file.cleanup.strategy | InPlace | InPlace Constraint | read | how files that no remaining job reads are found. Also `none` and `leaf`, as `--cleanup`
pegasus.file.cleanup.impl | | | needless | how files are deleted
pegasus.file.cleanup.scope | fullahead | fullahead deferred | read | `deferred`: files are removed early in a workflow with sub-workflows too; else only the scratch directory at the end
pegasus.file.cleanup.clusters.num | | | read | most cleanup jobs a level, with `InPlace`; wins over the size
pegasus.file.cleanup.clusters.size | 5 | | read | jobs that use files last, of one level, for which there is one cleanup job
pegasus.file.cleanup.constraint.maxspace | 10737418240 | | read | bound on the scratch of each site without a bound of its own: bytes, or an amount such as `20 GB`; with `Constraint`
pegasus.file.cleanup.constraint.*.maxspace | 10737418240 | | read | bound on the scratch of a staging site; with `Constraint`
pegasus.file.cleanup.constraint.deferstageins | false | true false | needless | inputs are fetched when there is room, with `Constraint`: they always are
pegasus.file.cleanup.constraint.csv | | | read | table of `lfn,bytes` with the sizes of files that documents do not give, with `Constraint`
pegasus.clusterer.job.aggregator | seqexec | seqexec mpiexec AWSBatch decaf | read | how the tasks of a clustered job are run. `seqexec`: one after the other; `mpiexec`: at once, as far as they fit into the cores and the memory of the job; the others warn, and are taken as `seqexec`. Also as a profile
pegasus.clusterer.job.aggregator.arguments | | | read | arguments for it. With `seqexec`: `-n N`, N tasks at a time; with `mpiexec`: `--host-cpus N`, `--host-memory MB`, `--max-wall-time MINUTES`. Also as a profile
pegasus.clusterer.job.aggregator.seqexec.log | false | true false | needless | write a log of every clustered job; the journal has every task
pegasus.clusterer.job.aggregator.seqexec.log.global | | | needless | write one log for all
pegasus.clusterer.job.aggregator.seqexec.firstjobfail | true | true false | read | the first failing task ends its job; `false`: the others run too
pegasus.clusterer.allow.single | false | true false | needless | cluster single tasks too: a cluster of one task is that task
pegasus.clusterer.label.key | label | | read | profile that names the cluster of a task
pegasus.clusterer.preference | | runtime | read | how horizontal clusters are filled: with `runtime`, by the run times of tasks
pegasus.cluster.num | | | needless | number of clusters of one level; the profile `pegasus.clusters.num` has it
dagman.maxpre | | | needless | prescripts at a time
dagman.maxpost | | | needless | postscripts at a time
dagman.maxjobs | | | read | jobs at a time
dagman.maxidle | | | read | how many jobs may wait in the queues of their sites at a time; `0`: any number
dagman.*.maxjobs | | | read | jobs of one category at a time. `*` is the name of a category
pegasus.job.priority | | | read | priority of the jobs that run tasks, but for those with a profile of their own. 10 times the level plus 10 if not set
pegasus.condor.concurrency.limits | false | true false | read | compute jobs at sites of HTCondor count against the limit `pegasus_compute` of the pool
pegasus.condor.arguments.quote | true | true false | needless | arguments are quoted for HTCondor
pegasus.condor.logs.symlink | false | true false | needless | keep HTCondor's log in a local directory
pegasus.condor.dag.checker.jobs | 50000 | | needless | jobs from which on the DAG is not checked
pegasus.condor.** | | | needless | settings for HTCondor
pegasus.credential.encrypt | true | true false | needless | credentials travel encrypted
pegasus.monitord.events | true | true false | read | write events to the database. `false`: the database is made when it is first needed, and not during the run
pegasus.monitord.notifications | true | true false | read | run the hooks of the workflow and its jobs
pegasus.monitord.notifications.max | 10 | | read | hooks that run at a time; 0: none are run
pegasus.monitord.notifications.timeout | 0 | | read | seconds a hook may take; 0 is no limit
pegasus.monitord.stdout.disable.parsing | false | true false | needless | keep the output of jobs out of the database
pegasus.monitord.arguments | | | needless | arguments for the monitoring
pegasus.monitord.encoding | bp | | needless | encoding of events
pegasus.monitord.output | | | read | older name of `pegasus.catalog.workflow.url`
pegasus.monitord.** | | | needless | settings of the monitoring
pegasus.dashboard.output | | | read | older name of `pegasus.catalog.master.url`
pegasus.gridstart | Kickstart | | needless | what starts and measures a job
pegasus.gridstart.path | | | needless | where it is
pegasus.gridstart.arguments | | | needless | arguments for it
pegasus.gridstart.launcher | | | read | program that starts those of all tasks, such as `mpiexec`: a path, or a name in PATH. Also as a profile
pegasus.gridstart.launcher.arguments | | | read | arguments for it, before the command of the task. Also as a profile
pegasus.gridstart.** | | | needless | settings of it
pegasus.log.manager | Default | | needless | what writes the planner's log
pegasus.log.manager.formatter | Simple | | needless | form of that log
pegasus.log.memory.usage | false | true false | needless | log the memory that the planner takes
pegasus.log.** | | | needless | log files and their levels
pegasus.metrics.app | | | needless | name of the application in usage statistics
pegasus.metrics.app.** | | | needless | more about it
pegasus.parser.dax.data.dependencies | true | true false | read | a job that reads a file depends on the job that makes it
pegasus.parser.document.size | 500 | | read | MB that a document may have. For the workflow document; at most 2047
pegasus.parser.dax.preserver.linebreaks | false | true false | needless | keep line breaks of arguments
pegasus.code.generator | Condor | Condor Shell PMC | needless | form of the executable workflow
pegasus.aws.account | | | needless | account at Amazon
pegasus.aws.region | | | read | region of AWS Batch, unless a gateway names it. Also as a profile
pegasus.aws.batch.job_definition | | | read | AWS Batch: the job definition, with the image of jobs. Also as a profile
pegasus.aws.batch.compute_environment | | | needless | AWS Batch: where they run
pegasus.aws.batch.job_queue | | | read | AWS Batch: where jobs wait. Also as a profile
pegasus.aws.batch.s3_bucket | | | needless | AWS Batch: where their files are
pegasus.aws.** | | | needless | settings for AWS Batch
pegasus.agent.url | | | needless | address of an assistant service
pegasus.agent.token | | | needless | key for the assistant service
pegasus.wf.** | | | needless | settings of a workflow's execution
pegasus.service.** | | | needless | settings of the web service
pegasus.ensemble.** | | | needless | settings of the ensemble manager
pegasus.catalog.provenance.** | | | needless | old provenance catalog
markab.dir.submit.mode | 0700 | | read | permissions of a new submit directory, in octal. `0750` or `2770` for a group; a directory that exists keeps its permissions
markab.cleanup.assumed.size | 10485760 | | read | size of a file of which nothing is known, with `Constraint`: bytes, or an amount such as `1 MB`
markab.keep.failed | false | true false | read | keep the directory of the last failed attempt of each job. Also `markab run --keep-failed`; the directory is removed when the job is tried again
markab.executor | site | site local | read | `local`: the jobs of every site run on this machine, whatever the sites ask for. For one site: its profile `pegasus.style = local`
markab.hold.limit | 1800 | | read | seconds for which the site of a job may hold it; then it is withdrawn, and tried again. `0`: for ever. 30 with another `pegasus.mode` than `production`
markab.retry.by.cause | true | true false | read | what would fail again (a program that does not exist, say) is not tried again, and a job that was killed for lack of memory is tried again with more. `false`: every failure is tried again, as often as `RETRY` says
markab.fail.fast | false | true false | read | start no other jobs after a job failed for good. Also `markab run --fail-fast`; `--keep-going` is the opposite
markab.slots.cores | | | read | cores that jobs on this machine may use together. What the machine has if not set; also `--cores`, and the profile `pegasus.slots.cores` of a site
markab.slots.memory | | | read | memory that jobs on this machine may use together. Such as `8 GB`, MB without a unit; also `--memory`, and the profile `pegasus.slots.memory` of a site
markab.slots.gpus | | | read | GPUs that jobs on this machine may use together. Also `--gpus`, and the profile `pegasus.slots.gpus` of a site
markab.reuse.index | | | read | file that remembers what your jobs made, for reuse by content. `$XDG_STATE_HOME/markab/results.db` if not set, which is in `~/.local/state`; it may be deleted
markab.reuse.store | | | read | directory that keeps files of results which would have been removed, for reuse by content. `$XDG_CACHE_HOME/markab/content` if not set, which is in `~/.cache`; it holds hard links, so name one on the file system of your scratch directories
markab.reuse.store.size | 20 GB | | read | bytes that this directory may take; what was not used for longest is removed first. Such as `100 GB`, MB without a unit; `0` keeps nothing
markab.reuse.policy | pegasus | pegasus content | read | which results are used again. `pegasus`: by name, those that the replica catalog has; `content`: those that were made of the same, of any earlier run of that policy. Also `--reuse-policy`
markab.lfn.absolute | false | true false | read | allow absolute paths as logical file names
""")

_EXAMPLES = ("env.GLOBUS_LOCATION", "env.LD_LIBRARY_PATH", "env.PEGASUS_HOME", "dagman.post.path")
"""Names that lists of profiles show beside those of the table."""


@cache
def _exact() -> dict[str, PropertyKey]:
    return {row.key: row for row in KNOWN if "*" not in row.key}


@cache
def _patterns() -> list[tuple[re.Pattern[str], PropertyKey]]:
    rows = []
    for row in KNOWN:
        if "*" in row.key:
            pattern = re.escape(row.key).replace(r"\*\*", ".+").replace(r"\*", "[^.]+")
            rows.append((re.compile(pattern + r"\Z"), row))
    return rows


def find_property(key: str) -> PropertyKey | None:
    """Return the row for `key`, or None if it is not in the table."""
    row = _exact().get(key)
    if row is None:
        row = next((row for pattern, row in _patterns() if pattern.match(key)), None)
    return row


def list_properties(text: str = "") -> list[str]:
    """Return the known keys that contain `text`, sorted; those of profiles of all jobs too."""
    names = {row.key.replace("**", "*") for row in KNOWN}
    names |= {f"{namespace}.*" for namespace in ("condor", "dagman", "env", "globus")}
    names |= {
        f"{namespace}.{key.lower() if namespace == 'dagman' else key}"
        for namespace, keys in KEYS.items()
        for key, effect in keys.items()
        if effect is not Effect.DROPPED
    }
    return sorted(name for name in names.union(_EXAMPLES) if text in name)
