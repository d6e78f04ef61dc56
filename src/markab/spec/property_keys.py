"""The known properties: key, default, purpose. `*` stands for any words between dots.

Many of them only matter to back ends, services or conventions of Pegasus; they are
listed so that a property file written for Pegasus gives no warnings.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple


class PropertyKey(NamedTuple):
    """A known property."""

    key: str
    default: str
    """Empty: there is none."""
    purpose: str
    choices: tuple[str, ...] = ()


def _keys(text: str) -> tuple[PropertyKey, ...]:
    rows = []
    for line in text.strip().splitlines():
        key, default, choices, purpose = (cell.strip() for cell in line.split("|"))
        rows.append(PropertyKey(key, default, purpose, tuple(choices.split())))
    return tuple(rows)


KNOWN = _keys("""
pegasus.mode | production | production development tutorial debug | bundle of defaults for retries, integrity and transfers
pegasus.home | | | directory of an installation of Pegasus
pegasus.data.configuration | condorio | sharedfs nonsharedfs condorio | how files reach the jobs
pegasus.data.reuse.scope | full | full partial none | which jobs are left out because their outputs exist
pegasus.integrity.checking | full | full nosymlink none | which files have their checksums verified
pegasus.register | true | true false | whether outputs enter the output replica catalog
pegasus.register.deep | true | true false | whether they are registered with their directories
pegasus.transfer.bypass.input.staging | false | true false | jobs fetch inputs themselves instead of through the staging site
pegasus.transfer.container.onhost | true | true false | transfers of jobs in containers run outside the container
pegasus.transfer.links | false | true false | link inputs that are on the same site instead of copying them
pegasus.transfer.threads | 2 | | files that one transfer job moves at a time
pegasus.transfer.*.threads | 2 | | the same for stagein or stageout jobs
pegasus.transfer.arguments | | | arguments for the transfer tool in transfer jobs
pegasus.transfer.lite.arguments | | | arguments for the transfer tool around a job
pegasus.transfer.worker.package | false | true false | send the worker's tools to the sites
pegasus.transfer.worker.package.autodownload | true | true false | fetch the worker's tools when they do not fit the node
pegasus.transfer.worker.package.strict | true | true false | the worker's tools must have the planner's version
pegasus.transfer.*.impl | Transfer | | which tool transfer jobs use
pegasus.transfer.*.remote.sites | | | sites whose transfer jobs run there
pegasus.transfer.*.priority | | | priority of transfer jobs
pegasus.transfer.staging.delimiter | : | | stands between the parts of a staged executable's name
pegasus.transfer.disable.chmod.sites | | | sites where staged executables are left without execute permission
pegasus.transfer.setup.source.base.url | | | where the worker's tools are fetched from
pegasus.transfer.refiner | BalancedCluster | | how transfers are put into jobs
pegasus.transfer.force | false | true false | overwrite files that exist
pegasus.catalog.replica | YAML | YAML File Regex Directory JDBCRC MRC Meta | kind of the replica catalog
pegasus.catalog.replica.file | ./replicas.yml | | file of the replica catalog
pegasus.catalog.replica.directory | | | directory whose files are replicas
pegasus.catalog.replica.directory.site | local | | site of the files of a replica directory
pegasus.catalog.replica.directory.flat.lfn | false | true false | name the files of a replica directory without their directories
pegasus.catalog.replica.directory.url.prefix | file:// | | stands before the paths of a replica directory
pegasus.catalog.replica.cache.asrc | false | true false | cache files add to the replica catalog instead of hiding it
pegasus.catalog.replica.dax.asrc | false | true false | replicas in the workflow add to the replica catalog instead of hiding it
pegasus.catalog.replica.chunk.size | 1000 | | replicas read at a time
pegasus.catalog.replica.mrc.** | | | one of several replica catalogs
pegasus.catalog.replica.output | | | kind of the catalog where outputs are registered
pegasus.catalog.replica.output.** | | | settings of that catalog
pegasus.catalog.replica.url | | | address of a replica catalog
pegasus.catalog.*.db | | | kind of database of a catalog
pegasus.catalog.*.db.** | | | connection to the database of a catalog
pegasus.catalog.*.timeout | | | seconds to wait for a locked database
pegasus.catalog.site | YAML | YAML XML | kind of the site catalog
pegasus.catalog.site.file | ./sites.yml | | file of the site catalog
pegasus.catalog.site.repo | | | address of published site definitions
pegasus.catalog.site.repo.file | | | which of them
pegasus.catalog.site.repo.interval | 86400 | | seconds until they are fetched again
pegasus.catalog.site.sites.** | | | profile of one site, over the site catalog
pegasus.catalog.transformation | YAML | YAML Text Directory | kind of the transformation catalog
pegasus.catalog.transformation.file | ./transformations.yml | | file of the transformation catalog
pegasus.catalog.transformation.mapper | All | All Installed Staged Submit | which entries of the transformation catalog count
pegasus.catalog.transformation.directory | transformations | | directory whose files are executables
pegasus.catalog.transformation.directory.site | local | | site of these files
pegasus.catalog.transformation.directory.flat.lfn | false | true false | name the executables without their directories
pegasus.catalog.transformation.directory.url.prefix | file:// | | stands before the paths of these files
pegasus.catalog.workflow.url | | | database of this workflow's provenance
pegasus.catalog.workflow.** | | | more places where events are sent
pegasus.catalog.master.url | | | database of all workflows of a user
pegasus.catalog.master.** | | | settings of that database
pegasus.selector.replica | Default | Default Regex Restricted Local | how the best replica is chosen
pegasus.selector.replica.regex.rank.* | | | pattern of replicas, lower numbers first
pegasus.selector.replica.*.ignore.stagein.sites | | | sites whose replicas are not used
pegasus.selector.replica.*.prefer.stagein.sites | | | sites whose replicas are used first
pegasus.selector.site | Random | Random RoundRobin Group Heft NonJavaCallout | how the site of a job is chosen
pegasus.selector.site.path | | | program that chooses sites
pegasus.selector.site.env.* | | | environment of that program
pegasus.selector.site.timeout | 60 | | seconds that program may take
pegasus.selector.site.keep.tmp | onerror | onerror always never | when its files are kept
pegasus.selector.transformation | Random | Random Installed Staged Submit | which of several executables is used
pegasus.dir.submit.mapper | Hashed | Flat Hashed Named | how submit files are spread over directories
pegasus.dir.submit.mapper.hashed.levels | 2 | | directories below each other
pegasus.dir.submit.mapper.hashed.multiplier | 5 | | files of one job
pegasus.dir.submit.logs | | | directory of log files
pegasus.dir.staging.mapper | Hashed | Flat Hashed | how files are spread at the staging site
pegasus.dir.staging.mapper.hashed.levels | 2 | | directories below each other
pegasus.dir.staging.mapper.hashed.multiplier | 5 | | files of one job
pegasus.dir.storage.mapper | Flat | Flat Fixed Hashed Replica | where outputs are put at the output site
pegasus.dir.storage.mapper.fixed.url | | | the one place for all outputs
pegasus.dir.storage.mapper.hashed.levels | 2 | | directories below each other
pegasus.dir.storage.mapper.hashed.multiplier | 5 | | files of one directory
pegasus.dir.storage.mapper.replica | | | kind of the catalog that holds the places of outputs
pegasus.dir.storage.mapper.replica.** | | | settings of that catalog
pegasus.dir.storage.deep | false | true false | outputs go to directories named after the run
pegasus.dir.storage | | | directory for outputs
pegasus.dir.exec | | | directory of a run below the scratch of a site
pegasus.dir.useTimestamp | false | true false | name runs by the time instead of run0001
pegasus.dir.create.strategy | Minimal | Minimal HourGlass Tentacles | which jobs wait for the making of directories
pegasus.dir.create.impl | | | how directories are made
pegasus.file.cleanup.strategy | InPlace | InPlace Constraint | how files that no remaining job reads are found
pegasus.file.cleanup.impl | | | how files are deleted
pegasus.file.cleanup.scope | fullahead | fullahead deferred | whether files of sub-workflows are deleted by their parent
pegasus.file.cleanup.clusters.num | | | cleanup jobs a level
pegasus.file.cleanup.clusters.size | 2 | | cleanups in one job
pegasus.file.cleanup.constraint.*.maxspace | 10737418240 | | bytes that a run may fill at a site
pegasus.file.cleanup.constraint.deferstageins | false | true false | inputs are fetched when there is room
pegasus.file.cleanup.constraint.csv | | | file with the sizes of files
pegasus.clusterer.job.aggregator | seqexec | seqexec mpiexec AWSBatch decaf | how the tasks of a clustered job are run
pegasus.clusterer.job.aggregator.arguments | | | arguments for it
pegasus.clusterer.job.aggregator.seqexec.log | false | true false | write a log of every clustered job
pegasus.clusterer.job.aggregator.seqexec.log.global | | | write one log for all
pegasus.clusterer.job.aggregator.seqexec.firstjobfail | true | true false | the first failing task ends its job
pegasus.clusterer.allow.single | false | true false | cluster single tasks too
pegasus.clusterer.label.key | label | | profile that names the cluster of a task
pegasus.clusterer.preference | Runtime | | how tasks are put into clusters
dagman.maxpre | | | prescripts at a time
dagman.maxpost | | | postscripts at a time
dagman.maxjobs | | | jobs at a time
dagman.maxidle | | | submitted jobs that wait at a time
dagman.*.maxjobs | | | jobs of one category at a time
pegasus.condor.concurrency.limits | false | true false | HTCondor limits the categories
pegasus.condor.arguments.quote | true | true false | arguments are quoted for HTCondor
pegasus.condor.logs.symlink | false | true false | keep HTCondor's log in a local directory
pegasus.condor.dag.checker.jobs | 50000 | | jobs from which on the DAG is not checked
pegasus.condor.** | | | settings for HTCondor
pegasus.credential.encrypt | true | true false | credentials travel encrypted
pegasus.monitord.events | true | true false | write events to the database
pegasus.monitord.notifications | true | true false | run the hooks
pegasus.monitord.notifications.max | 10 | | hooks at a time
pegasus.monitord.notifications.timeout | 0 | | seconds a hook may take; 0 is no limit
pegasus.monitord.stdout.disable.parsing | false | true false | keep the output of jobs out of the database
pegasus.monitord.arguments | | | arguments for the monitoring
pegasus.monitord.encoding | bp | | encoding of events
pegasus.monitord.output | | | old name of pegasus.catalog.workflow.url
pegasus.monitord.** | | | settings of the monitoring
pegasus.dashboard.output | | | old name of pegasus.catalog.master.url
pegasus.gridstart | Kickstart | | what starts and measures a job
pegasus.gridstart.** | | | settings of it
pegasus.log.** | | | log files and their levels
pegasus.metrics.app | | | name of the application in usage statistics
pegasus.parser.dax.data.dependencies | true | true false | a job that reads a file depends on the job that makes it
pegasus.parser.document.size | 500 | | MB that a document may have
pegasus.parser.dax.preserver.linebreaks | false | true false | keep line breaks of arguments
pegasus.code.generator | Condor | Condor Shell PMC | form of the executable workflow
pegasus.aws.** | | | settings for AWS Batch
pegasus.agent.url | | | address of an assistant service
pegasus.agent.token | | | key for the assistant service
pegasus.wf.** | | | settings of a workflow's execution
pegasus.service.** | | | settings of the web service
pegasus.ensemble.** | | | settings of the ensemble manager
pegasus.catalog.provenance.** | | | old provenance catalog
markab.dir.submit.mode | 0700 | | permissions of a new submit directory, in octal
markab.keep.failed | false | true false | keep the directory of the last failed attempt of each job
markab.slots.cores | | | cores that jobs on this machine may use together
markab.slots.memory | | | memory that jobs on this machine may use together
markab.slots.gpus | | | GPUs that jobs on this machine may use together
markab.lfn.absolute | false | true false | allow absolute paths as logical file names
""")


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
    """Return the known keys that contain `text`, sorted."""
    return sorted(row.key for row in KNOWN if text in row.key)
