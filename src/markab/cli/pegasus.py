"""The programs with names of Pegasus. They exit with 0, 1 (an error) or 2 (a wrong command line, or what the command says).

Each imports only its own command, when it is called.
"""

from __future__ import annotations

from typing import NoReturn

from markab.cli.entry_point import guarded

FILES = {
    "analyzer": "analyze",
    "graphviz": "graph",
    "rc_client": "replica",
    "sc_converter": "convert",
    "tc_converter": "convert",
    "rc_converter": "convert",
    "cwl_converter": "import_workflow",
}
"""Names whose command is in a file of another name."""


def plan() -> NoReturn:
    """Be `pegasus-plan`."""
    _launch("plan")


def init() -> NoReturn:
    """Be `pegasus-init`."""
    _launch("init")


def run() -> NoReturn:
    """Be `pegasus-run`."""
    _launch("run")


def status() -> NoReturn:
    """Be `pegasus-status`."""
    _launch("status")


def analyzer() -> NoReturn:
    """Be `pegasus-analyzer`."""
    _launch("analyzer")


def statistics() -> NoReturn:
    """Be `pegasus-statistics`."""
    _launch("statistics")


def remove() -> NoReturn:
    """Be `pegasus-remove`."""
    _launch("remove")


def halt() -> NoReturn:
    """Be `pegasus-halt`."""
    _launch("halt")


def graphviz() -> NoReturn:
    """Be `pegasus-graphviz`."""
    _launch("graphviz")


def metadata() -> NoReturn:
    """Be `pegasus-metadata`."""
    _launch("metadata")


def rc_client() -> NoReturn:
    """Be `pegasus-rc-client`."""
    _launch("rc_client")


def sc_converter() -> NoReturn:
    """Be `pegasus-sc-converter`."""
    _launch("sc_converter")


def tc_converter() -> NoReturn:
    """Be `pegasus-tc-converter`."""
    _launch("tc_converter")


def rc_converter() -> NoReturn:
    """Be `pegasus-rc-converter`."""
    _launch("rc_converter")


def cwl_converter() -> NoReturn:
    """Be `pegasus-cwl-converter`."""
    _launch("cwl_converter")


def version() -> NoReturn:
    """Be `pegasus-version`."""
    _launch("version")


def config() -> NoReturn:
    """Be `pegasus-config`."""
    _launch("config")


def exitcode() -> NoReturn:
    """Be `pegasus-exitcode`."""
    _launch("exitcode")


def submitdir() -> NoReturn:
    """Be `pegasus-submitdir`."""
    _launch("submitdir")


def db_admin() -> NoReturn:
    """Be `pegasus-db-admin`."""
    _launch("db_admin")


def monitord() -> NoReturn:
    """Be `pegasus-monitord`."""
    _launch("monitord")


def preflight_check() -> NoReturn:
    """Be `pegasus-preflight-check`."""
    _launch("preflight_check")


def keg() -> NoReturn:
    """Be `pegasus-keg`; its exit codes are its own."""
    import sys

    from markab.cli.keg_program import main

    sys.exit(main("pegasus-keg", sys.argv[1:]))


def _launch(name: str) -> NoReturn:
    guarded(lambda: _import_and_launch(name), plain_codes=True)


def _import_and_launch(name: str) -> NoReturn:
    from importlib import import_module

    from markab.cli.command import launch

    module = import_module(f"markab.cli.{FILES.get(name, name)}")
    command = getattr(module, f"pegasus_{name}", None) or getattr(module, name)
    launch(command, f"pegasus-{name.replace('_', '-')}", plain_codes=True)
