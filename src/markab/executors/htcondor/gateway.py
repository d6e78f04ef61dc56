"""A process beside the engine that has HTCondor's Python bindings loaded and asks the schedd.

The bindings hold Python's lock while they wait for the network, so in the engine a schedd that does not answer would
stop everything. One request a line of stdin, one answer a line of stdout, both JSON:

    {"do": "submit", "path": P, "spools": bool}     {"cluster": N}
    {"do": "query" or "history", "constraint": C}   {"ads": [{attribute: value}, …]}
    {"do": "remove" or "retrieve", "constraint": C} {}
                                                    {"error": text} in place of any answer

It ends with its stdin.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from typing import Any


def main() -> int:
    """Answer until stdin ends. The argument, if there is one, names the schedd."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the bindings print is no answer
    contact, schedd = " ".join(sys.argv[1:]), None
    with suppress(Exception):  # the first request finds out again, and says why
        schedd = _locate(contact)
    for line in sys.stdin:
        submitted = False
        try:
            request = json.loads(line)
            if schedd is None:
                schedd = _locate(contact)
            answer = _do(schedd, request)
            submitted = request["do"] == "submit"
        except Exception as error:  # the bindings raise many kinds, and the engine decides
            answer, schedd = {"error": str(error).strip() or type(error).__name__}, None
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
        if submitted:
            _ask_for_machines(schedd)
    return 0


def _ask_for_machines(schedd: Any) -> None:
    """Let the schedd ask for machines now, as `condor_submit` does: by itself it waits for its next interval.

    A pool whose administrators do not want that sets SUBMIT_SEND_RESCHEDULE to false.
    """
    import htcondor2

    with suppress(Exception):  # it asks at the next interval
        if str(htcondor2.param.get("SUBMIT_SEND_RESCHEDULE", "true")).lower() not in (
            "false",
            "f",
            "0",
            "no",
        ):
            schedd.reschedule()


def _locate(contact: str) -> Any:
    import classad2
    import htcondor2

    if contact:
        return htcondor2.Schedd(htcondor2.Collector().locate(htcondor2.DaemonType.Schedd, contact))
    try:
        return htcondor2.Schedd()
    except Exception:  # no name for this machine, or it runs as an ordinary user
        path = htcondor2.param.get("SCHEDD_DAEMON_AD_FILE")
        if not path or not os.path.exists(path):
            raise
        with open(path) as file:
            return htcondor2.Schedd(classad2.parseOne(file.read()))


def _do(schedd: Any, request: dict[str, Any]) -> dict[str, Any]:
    import htcondor2

    from markab.executors.htcondor.schedd import ATTRIBUTES

    what = request["do"]
    if what == "submit":
        with open(request["path"], encoding="utf-8") as file:
            text = file.read()
        result = schedd.submit(htcondor2.Submit(text), spool=request["spools"])
        if request["spools"]:
            schedd.spool(result)
        return {"cluster": result.cluster()}
    if what == "retrieve":
        schedd.retrieve(request["constraint"])
        return {}
    if what == "remove":
        schedd.act(htcondor2.JobAction.Remove, request["constraint"])
        return {}
    ask = schedd.query if what == "query" else schedd.history
    return {"ads": [_plain(ad) for ad in ask(request["constraint"], list(ATTRIBUTES))]}


def _plain(ad: Any) -> dict[str, Any]:
    return {key: ad[key] if isinstance(ad[key], (int, float, str)) else str(ad[key]) for key in ad}


if __name__ == "__main__":
    sys.exit(main())
