"""`diapason judge`: compare answers blindly, in the app."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import DiapasonError, UsageError
from core.home import expand
from core.text import visible
from tui.commands import judge_model

if TYPE_CHECKING:
    from core.judging.place import Judging
    from core.runs.folder import RunFolder

_POLL_SECONDS = 0.3
# A runner takes its lock within this time of its launch; before that its job looks cut off.
_START_SECONDS = 15.0
_LONGEST_NAME = 80


class NoTerminal(DiapasonError):
    """Judging was asked for where there is no terminal."""

    exit_code = 2


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "judge",
        help="compare answers of two models or more blindly, one key a pair",
        description="Compare the answers of the base model and the tuned one, of other arms of an evaluation, or of "
        "any files of answers, side by side and blindly. Answers of a run come from its evaluation, or are generated "
        "first. Each vote is saved at once; the next call goes on where the last one ended. Without anything: the "
        "judgings that there are.",
    )
    parser.add_argument(
        "target", metavar="RUN|NAME", nargs="?", help="a run (id, unique prefix, name, or `last`) or a judging's name"
    )
    parser.add_argument(
        "--answers",
        metavar="FILE",
        nargs="+",
        help="JSON lines of {id?, prompt, answer}, two files or more: joined by id where all have one, else by line; "
        "copied, so that later changes alter nothing",
    )
    parser.add_argument("--name", help="with --answers: what to call the judging (default: after the files)")
    parser.add_argument("--arms", metavar="A,B[,C]", help="of a run: who answers (default: base,tuned)")
    parser.add_argument(
        "--judge", metavar="NAME", type=_judge, help="vote under this name (default: your login); each has a file"
    )
    parser.add_argument(
        "-n", dest="count", type=_count, metavar="N", help="pairs to judge (default: 50; a larger N adds pairs later)"
    )
    parser.add_argument(
        "--for",
        dest="purpose",
        choices=("training",),
        help="training: two drawn answers of the tuned model (temperature 0.8) to prompts outside the test set, kept "
        "apart from the test's verdicts; they teach DPO more than base against tuned, since both are what the model "
        "itself would say",
    )
    parser.add_argument(
        "--prompts", metavar="FILE", help="with --for training: its prompts (default: training and validation rows)"
    )
    parser.add_argument("--new", action="store_true", help="begin anew; the earlier session is kept, but not counted")
    judge_model.add_arguments(parser)
    parser.set_defaults(run=run)


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100_000:
        raise argparse.ArgumentTypeError(f"a whole number from 1 to 100000, not {text!r}")
    return int(text)


def _judge(text: str) -> str:
    name = text.strip()
    if not name or len(name) > _LONGEST_NAME:
        raise argparse.ArgumentTypeError(f"a name of 1 to {_LONGEST_NAME} characters, not {text[:100]!r}")
    return name


def run(args: argparse.Namespace) -> int:
    """Make sure that there are answers, then open the app on the judging screen; or list the judgings.

    Raises:
        NoTerminal: where stdin or the screen is no terminal.
        DiapasonError: where there is no such run or judging, or its answers cannot be had.
    """
    if args.target is None and args.answers is None and not judge_model.wanted(args):
        return _list(args)
    if args.name is not None and args.answers is None:
        raise UsageError("--name names a judging of --answers", hint="`diapason judge NAME` goes on with one.")
    if judge_model.wanted(args):
        nothing = args.target is None and not args.show_rater_prompt
        others = (args.answers, args.arms, args.judge, args.prompts)
        if nothing or args.new or any(each is not None for each in others):
            raise UsageError(
                "a second rater judges what is there", hint="diapason judge RUN|NAME --rater URL --rater-model M"
            )
        return judge_model.run(args)
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise NoTerminal(
            "judging needs a terminal, for its keys and its screen",
            hint="Run it in one; `diapason judgements RUN` prints what was judged so far.",
        )
    judging, new = _judging(args)
    if judging.run is not None:
        _make_answers(judging, args.count, new)
    from tui.app import run as run_app

    return run_app("judge", run=judging, count=args.count, new=new, judge=args.judge)


def _judging(args: argparse.Namespace) -> tuple[Judging, bool]:
    """The judging that the command line names, and whether its session is yet to begin anew."""
    if args.prompts is not None and args.purpose is None:
        raise UsageError("--prompts are those of --for training", hint="diapason judge RUN --for training")
    if args.purpose is not None:
        return _training(args), args.new
    if args.answers is None:
        from core.judging.place import find_judging, judging_of
        from core.runs.folder import find_run

        if args.arms is None:
            return find_judging(args.target), args.new
        return judging_of(find_run(args.target), _arms(args.arms)), args.new
    if args.target is not None or args.arms is not None:
        raise UsageError(
            "--answers stands alone: the files say what is compared", hint="diapason judge --answers A B"
        )
    from core.judging.named import begin

    paths = [expand(Path(name)) for name in args.answers]
    return begin(paths, args.name, count=args.count, new=args.new), False


def _training(args: argparse.Namespace) -> Judging:
    """The judging for training of a run; its prompts are written where answers are still to be made."""
    from core.judging.answers import ready, under_way
    from core.judging.session import find_answers
    from core.judging.training import handed_on, training_judging, with_prompts
    from core.runs.folder import find_run

    if args.target is None or args.arms is not None or args.answers is not None:
        raise UsageError(
            "--for training takes a run, and its tuned model alone", hint="diapason judge RUN --for training"
        )
    run = find_run(args.target)
    judging = training_judging(run)
    # Answers that became training data teach nothing more: --new then draws others.
    made = find_answers(judging) is not None and not handed_on(judging) if args.new else ready(judging)
    if made and args.prompts is None:
        return judging
    if made and not args.new:
        raise UsageError(
            "there is a session already, of other prompts",
            where=run.name,
            hint="--new begins another; it is kept aside.",
        )
    if under_way(run, judging.arms or ()) is not None:
        return judging
    asked = with_prompts(judging, expand(Path(args.prompts)) if args.prompts else None, args.count)
    # Answers to other prompts must not be taken for these.
    (judging.folder / "answers.jsonl").unlink(missing_ok=True)
    return asked


def _arms(text: str) -> list[str]:
    from core.evaluation.arms import parse_arm

    names = [parse_arm(name.strip()).name for name in text.split(",") if name.strip()]
    if len(set(names)) < 2 or len(set(names)) < len(names):
        raise UsageError("judging compares two different arms or more", hint="For example --arms tuned,few-shot:5")
    return names


def _make_answers(judging: Judging, count: int | None, new: bool) -> None:
    """Wait for the job that makes the answers, where there are none yet."""
    from core.judging.answers import generate, ready
    from core.judging.session import find_answers

    while not (find_answers(judging) if new else ready(judging)):
        job = generate(judging, count)
        _wait(job, judging.arms or ())
        if job.kind == "generate" and find_answers(judging) is None:
            raise DiapasonError(
                f"the job ended without an answer of {' and '.join(judging.arms or ())} to the same prompt",
                where=job.id,
                hint="Judging needs test rows with a prompt; plain text has none.",
            )


def _list(args: argparse.Namespace) -> int:
    from tui.judgings_view import judging_lines

    if args.new or args.arms or args.count or args.name or args.judge:
        raise UsageError("which run or judging?", hint="diapason judge RUN, or --answers A.jsonl B.jsonl")
    print("\n".join(judging_lines()))
    return 0


def _wait(job: RunFolder, arms: tuple[str, ...]) -> None:
    """Show the job's progress until it ends.

    Raises:
        DiapasonError: where it ends otherwise than completed.
    """
    from core.runs.view import RunView

    who = visible(" and ".join(arms))
    print(f"Answers of {who} are made first; ctrl+c leaves this, not the job.", file=sys.stderr)
    view, begin = RunView(job), time.monotonic()
    try:
        while not view.final:
            if view.status == "interrupted" and time.monotonic() - begin > _START_SECONDS:
                break
            _show(_progress(view.status, view.progress))
            time.sleep(_POLL_SECONDS)
            view.refresh()
    finally:
        print(file=sys.stderr)
    if view.status != "completed":
        raise DiapasonError(
            f"making the answers ended as {view.status}: {view.reason or 'no reason was given'}",
            where=job.id,
            hint=view.hint or f"The log is in {job.logs}.",
        )


def _progress(status: str, progress: dict[str, Any] | None) -> str:
    if not progress:
        return status
    return f"{progress.get('phase', status)}: {progress.get('done', '?')} of {progress.get('total', '?')}"


def _show(line: str) -> None:
    print(f"\r\x1b[K  {visible(line)[:70]}", end="", file=sys.stderr, flush=True)
