"""`markab sites`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from markab import operations
from markab.cli.command import command
from markab.cli.common_options import json_option, verbose_option
from markab.cli.output import echo, echo_json
from markab.formatting import printable_line

if TYPE_CHECKING:
    from markab.operations.site_documents import SiteDocuments
    from markab.operations.site_test import Check
    from markab.operations.sites import SiteFacts

ACTIONS = ("list", "show", "test")
_WORDS = {True: "ok", False: "FAILED", None: "-"}


@command()
@click.argument("action", type=click.Choice(ACTIONS))
@click.argument("site", required=False)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.0, min_open=True),
    metavar="SECONDS",
    help="With test: how long a job may wait for its start, and then take (300).",
)
@click.option(
    "--workflow",
    metavar="FILE",
    help="A workflow, or a script that builds it, whose own catalogs count; ./workflow.yml by default.",
)
@click.option(
    "--sites-file",
    metavar="FILE",
    help="Site catalog; the one of the properties, or ./sites.yml, by default.",
)
@click.option("--conf", metavar="FILE", help="Properties file; ./pegasus.properties by default.")
@click.option(
    "-D", "properties", multiple=True, metavar="KEY=VALUE", help="Set a property; stronger than files."
)
@json_option("Print objects.")
@verbose_option
def sites(action: str, site: str | None, **flags: Any) -> int:
    """List the sites of the catalog and of the workflow, show one, or test one with jobs.

    \b
    list  the sites, and where their jobs run
    show  one site: gateway, directories, profiles
    test  plan and run a few small jobs at a site, and say what is wrong

    A test takes a few minutes at most if the site starts jobs at once. It exits with 1 if something is wrong.
    """
    if (site is None) != (action == "list"):
        raise click.UsageError("`list` takes no SITE" if site else f"`{action}` needs a SITE")
    if flags["timeout"] is not None and action != "test":
        raise click.UsageError("--timeout is for `test`")
    if action == "test":
        assert site is not None
        return _test(site, flags)
    documents = _documents(flags)
    found = [operations.show_site(site, documents)] if site else operations.list_sites(documents)
    if flags["as_json"]:
        echo_json(found[0].to_json() if site else [one.to_json() for one in found])
        return 0
    if site:
        echo("".join(f"{line}\n" for line in _shown(found[0])), nl=False)
        return 0
    width = max(len(one.name) for one in found)
    for one in found:
        lack = f"; {one.lack}" if one.lack else ""
        echo(f"{printable_line(one.name):<{width}}  {printable_line(one.title)}{lack}")
    return 0


def _documents(flags: dict[str, Any]) -> SiteDocuments:
    properties = {}
    for typed in flags["properties"]:
        key, equals, value = typed.partition("=")
        if not equals or not key.strip():
            raise click.BadParameter(f"{typed!r} is not KEY=VALUE", param_hint="-D")
        properties[key.strip()] = value.strip()
    if flags["sites_file"]:
        properties["pegasus.catalog.site.file"] = os.path.abspath(flags["sites_file"])
    return operations.find_site_documents(None, flags["conf"], properties, flags["workflow"])


def _shown(site: SiteFacts) -> list[str]:
    lines = [f"{printable_line(site.name)}: jobs run at {printable_line(site.title)}"]
    if site.lack:
        lines.append(f"  {site.lack}")
    elif site.program:
        lines.append(f"  program    {site.program}")
    for one in site.directories:
        by = f", by {printable_line(one.url)}" if one.url else ""
        lines.append(f"  {one.type:<13} {printable_line(one.path)}{by}")
    for namespace, keys in site.profiles.items():
        lines += [f"  {namespace}.{key} = {printable_line(value)}" for key, value in keys.items()]
    return lines


def _test(site: str, flags: dict[str, Any]) -> int:
    limit = {} if flags["timeout"] is None else {"limit_s": flags["timeout"]}
    on_check = (lambda check: None) if flags["as_json"] else _print
    result = operations.check_site(site, _documents(flags), on_check=on_check, **limit)
    if flags["as_json"]:
        echo_json(result.to_json())
    else:
        echo(f"site {site!r} {'works' if result.ok else 'does not work'}")
    return 0 if result.ok else 1


def _print(check: Check) -> None:
    echo(f"{_WORDS[check.ok]:<6}  {check.name:<9} {printable_line(check.text)}")
    if check.hint and not check.ok:
        echo(f"        {'':<9} hint: {printable_line(check.hint)}")
