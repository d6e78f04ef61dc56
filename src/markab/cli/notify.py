"""`markab notify`."""

from __future__ import annotations

import os

import click

from markab import operations
from markab.cli.command import command

MEANS = ("mail", "webhook", "desktop")


@command()
@click.argument("means", type=click.Choice(MEANS))
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option(
    "--from",
    "sender",
    metavar="ADDRESS",
    default="",
    help="With mail: the sender. You at this machine by default.",
)
@click.option(
    "--smtp",
    metavar="HOST[:PORT]",
    default="",
    help="With mail: the mail server. The program `sendmail` by default.",
)
@click.option(
    "--header", multiple=True, metavar="'NAME: VALUE'", help="With webhook: a header of the request."
)
def notify(means: str, targets: tuple[str, ...], sender: str, smtp: str, header: tuple[str, ...]) -> int:
    """Send a notice about an event of a run: for shell hooks, whose variables it reads.

    \b
    mail      to the addresses TARGET
    webhook   as JSON, by POST, to the URLs TARGET
    desktop   on your screen

    A TARGET or a VALUE that is @FILE is the first line of that file: so a secret is in no plan.
    Called by hand, it sends a notice to test that it arrives.
    """
    if bool(targets) != (means != "desktop"):
        raise click.UsageError(
            f"`{means}` needs a TARGET" if means != "desktop" else "`desktop` has no TARGET"
        )
    headers = {}
    for text in header:
        name, colon, value = text.partition(":")
        if not colon or not name.strip():
            raise click.UsageError(f"--header is {text!r}; write it as 'NAME: VALUE'")
        headers[name.strip()] = value.strip()
    operations.send_notice(means, targets, os.environ, sender=sender, server=smtp, headers=headers)
    return 0
