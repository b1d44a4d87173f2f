"""One command from its words to its exit code.

Exit codes: 0 done, 1 a limit or gate failed, 2 the request is wrong, 3 it broke half-way and
the same command resumes. `--json` prints one JSON document on standard output; everything for
people goes to standard error then.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence

from augment import streams, surroundings
from augment.cli.common import check_all, unless_lost
from augment.cli.grammar import parser
from augment.cli.stopping import Terminated, heed_sigterm
from augment.errors import AugmentError, InterruptedRun, Problem, RequestError
from augment.escaping import LONGEST_LINE, cut
from augment.policy import read_policy
from augment.secrecy import secrets_of_process, struck


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code. `--help` and `--version` leave by SystemExit, as
    argparse does."""
    given = list(sys.argv[1:] if argv is None else argv)
    heed_sigterm()
    with streams.begun():
        return _carried_out(given)


def _carried_out(given: Sequence[str]) -> int:
    arguments = argparse.Namespace(kept="", lasting=False)
    try:
        arguments = _parse(given)
        check_all(arguments)
        surroundings.check(os.environ)
        if not arguments.tells_policy:  # `doctor` tells what is wrong with it
            read_policy()
        return unless_lost(arguments.verb(arguments), arguments)
    except AugmentError as e:
        return _report(e, given)
    except KeyboardInterrupt as e:
        what = "stopped by SIGTERM" if isinstance(e, Terminated) else "stopped"
        return _report(InterruptedRun(f"{what}{arguments.kept}"), given)
    except SystemExit:
        raise
    except BaseException as e:  # 1, Python's own exit code, would say that a limit failed
        if why := surroundings.failed_import(e, os.environ):
            return _report(RequestError(why), given)
        streams.note(*_without_secrets(traceback.format_exc(), given).splitlines())
        text = f"{type(e).__name__}: {e}; no rule foresaw this: please report it with what is above"
        return _report(InterruptedRun(text), given)


def _parse(given: Sequence[str]) -> argparse.Namespace:
    arguments, rest = parser().parse_known_args(given)
    if rest:
        arguments.parser.refuse(rest)
    return arguments


def _report(error: AugmentError, given: Sequence[str]) -> int:
    """Every error that ends a command passes here, and nothing secret passes with it."""
    problems: tuple[Problem, ...] = getattr(error, "problems", ())
    lines = _without_secrets(str(error), given).split("\n")
    if "--json" in given:
        told = [{k: _without_secrets(v, given) for k, v in p.__dict__.items()} for p in problems]
        body = {
            "error": type(error).__name__,
            "exit_code": error.exit_code,
            "text": "\n".join(cut(line, LONGEST_LINE) for line in lines),
            "problems": told,
        }
        streams.tell(body)
    else:
        first, *rest = [f"{len(problems)} problems:", *lines] if len(problems) > 1 else lines
        streams.note(f"augment: {first}", *rest)
    return error.exit_code


def _without_secrets(text: str, given: Sequence[str]) -> str:
    return struck(text, secrets_of_process(os.environ, given))
