"""`pegasus-transfer`: transfer, make and remove the files and directories of a JSON list."""

import argparse
import os
import sys
import time
from typing import Any, Callable, Dict, List, Optional, TextIO

from markab.errors import MarkabError, TransferUnavailable
from markab.transfers.base import handler_for, name_of, redact
from markab.transfers.batch import move_all, pause_after
from markab.transfers.beneath import NOT_A_FILE, open_regular
from markab.transfers.checksum import Verified
from markab.transfers.transfer_list import read_work


def main(argv: Optional[List[str]] = None) -> int:
    """Run the command; 0 if everything arrived, 1 if something did not, 10 if the input is wrong."""
    args = _parser().parse_args(argv)
    out = sys.stdout
    try:
        if args.file == "-":
            text = sys.stdin.read()
        else:
            with open(args.file, encoding="utf-8", opener=open_regular) as file:
                text = file.read()
        work = read_work(text, "" if args.file == "-" else args.file)
    except OSError as error:
        hint = "give it as standard input, with -f -" if error.strerror == NOT_A_FILE else ""
        return _report_error("cannot read '%s': %s" % (args.file, error.strerror), hint, 1)
    except UnicodeDecodeError as error:
        return _report_error("'%s' is not UTF-8 text: %s" % (args.file, error.reason), "", 10)
    except MarkabError as error:
        return _report_error(str(error), error.hint, error.exit_code)

    start = time.monotonic()
    failed = 0
    for place in work.mkdirs:
        failed += _retry(place, args.max_attempts, _make_directory)
    results = move_all(
        work.transfers,
        args.threads,
        args.max_attempts,
        None,
        args.symlink or _permits_links(work),
        Verified(),
    )
    for result in results:
        failed += _report_result(result, args.debug, out)
    for place in work.removes:
        failed += _retry(place, args.max_attempts, _remove)
    _summarize(results, time.monotonic() - start, failed, out)
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pegasus-transfer", description=__doc__)
    parser.add_argument("-f", "--file", default="-", metavar="FILE", help="JSON input; - is standard input")
    parser.add_argument(
        "-m", "--max-attempts", type=_positive, default=3, metavar="N", help="rounds before giving up (3)"
    )
    parser.add_argument(
        "-n",
        "--threads",
        type=_positive,
        default=os.environ.get("PEGASUS_TRANSFER_THREADS", "8"),
        metavar="N",
        help="files moved at the same time (8, or PEGASUS_TRANSFER_THREADS)",
    )
    parser.add_argument(
        "-s", "--symlink", action="store_true", help="symbolic links are enough for local files"
    )
    parser.add_argument("-d", "--debug", action="store_true", help="report every file")
    return parser


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError("'%s' is not a number from 1" % text)
    return int(text)


def _permits_links(work: Any) -> bool:
    """A destination `symlink://` is itself the permission to link."""
    return any(item.get("link") for item in work.transfers)


def _make_directory(place: Dict[str, Any]) -> None:
    handler_for(place["url"]).mkdir(place["url"], site=place["site"])


def _remove(place: Dict[str, Any]) -> None:
    handler_for(place["url"]).remove(place["url"], place["recursive"], site=place["site"])


def _retry(place: Dict[str, Any], attempts: int, action: Callable[[Dict[str, Any]], None]) -> int:
    """Make or remove one directory or file, with retries; return 1 if it failed."""
    for number in range(1, attempts + 1):
        try:
            action(place)
            return 0
        except TransferUnavailable as error:
            if number == attempts:
                return _report_error(str(error), error.hint, 1)
            time.sleep(pause_after(number, 0.0))
        except MarkabError as error:
            return _report_error("'%s': %s" % (name_of(place["url"]), error), error.hint, 1)
    return 1


def _report_result(result: Dict[str, Any], debug: bool, out: TextIO) -> int:
    error = result.get("error")
    if error:
        return _report_error(
            "'%s' did not arrive: %s" % (result["lfn"], error["message"]), error.get("hint", ""), 1
        )
    if debug:
        facts = "%d bytes, %.3f s, attempt %d" % (result["bytes"], result["duration_s"], result["attempts"])
        out.write("%s\n" % _printable("%s -> %s  (%s)" % (result["source"], result["destination"], facts)))
    return 0


def _summarize(results: List[Dict[str, Any]], elapsed_s: float, failed: int, out: TextIO) -> None:
    arrived = [one for one in results if "error" not in one]
    size_bytes = sum(one["bytes"] for one in arrived)
    out.write(
        "%d of %d files, %s in %.2f s (%s/s)%s\n"
        % (
            len(arrived),
            len(results),
            _in_units(size_bytes),
            elapsed_s,
            _in_units(size_bytes / max(elapsed_s, 1e-6)),
            ", %d failed" % failed if failed else "",
        )
    )


def _in_units(size_bytes: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if size_bytes < 1000:
            return "%d %s" % (size_bytes, unit) if unit == "B" else "%.1f %s" % (size_bytes, unit)
        size_bytes /= 1000.0
    return "%.1f TB" % size_bytes


def _report_error(message: str, hint: str, code: int) -> int:
    sys.stderr.write("error: %s\n" % _printable(redact(message)))
    if hint:
        sys.stderr.write("  hint: %s\n" % _printable(redact(hint)))
    return code


def _printable(text: str) -> str:
    """Return text without characters that control a terminal: a server may have sent it."""
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


if __name__ == "__main__":
    sys.exit(main())
