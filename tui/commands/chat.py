"""`diapason chat`: ask the base model and the tuned one the same things, in plain lines."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from typing import IO, TYPE_CHECKING, Any

from core.errors import DiapasonError
from core.text import visible

if TYPE_CHECKING:
    from core.runs.folder import RunFolder

_QUIT = {"/quit", "/exit", "/q"}
_HELP = "Both models answer. /new begins a new conversation, /quit or ctrl+d leaves."


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "chat",
        help="talk to the base model and the tuned one",
        description="Ask the base model and the tuned one the same things; both answers are streamed. " + _HELP,
    )
    parser.add_argument("target", metavar="RUN", help="id, unique prefix, name, or `last`")
    parser.add_argument("--max-new-tokens", type=int, default=256, metavar="N", help="longest answer (default: 256)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Load both models in a process of their own and pass lines on until /quit or the end of the input.

    Raises:
        DiapasonError: where there is no such run, or it has no tuned model.
    """
    from core.runs.folder import find_run

    folder = find_run(args.target)
    if not folder.adapter.is_dir() and not folder.model.is_dir():
        raise DiapasonError(
            f"{folder.name} has no tuned model yet",
            hint=f"`diapason show {folder.id}` says how far it is; once it is completed or stopped, there is one.",
        )
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        engine = Engine(folder, log)
        try:
            return _talk(engine, folder, args.max_new_tokens)
        finally:
            engine.close()


class Engine:
    """The process that holds the models: one JSON object a line each way (see core/engine/chat.py)."""

    def __init__(self, folder: RunFolder, log: IO[str]) -> None:
        from core.worker.job import environment, python

        self._log = log
        # A session of its own: ctrl+c is ours to handle.
        self._process = subprocess.Popen(
            python("core.engine", "chat", str(folder.path)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            encoding="utf-8",
            env=environment(),
            start_new_session=True,
        )

    def send(self, request: dict[str, Any]) -> None:
        """Ask for an answer. Raises DiapasonError where the process is gone."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._gone() from None

    def next(self) -> dict[str, Any]:
        """The next event. Raises DiapasonError where the process is gone."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._gone()
        return json.loads(line)

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()

    def _gone(self) -> DiapasonError:
        code = self._process.wait()
        self._log.seek(0)
        last = next((line.strip() for line in reversed(self._log.read().splitlines()) if line.strip()), "")
        return DiapasonError(
            f"the models' process has ended (code {code})" + (f": {last}" if last else ""),
            hint="If it was killed, there may be too little memory: `diapason doctor` shows how much there is.",
        )


def _talk(engine: Engine, folder: RunFolder, longest: int) -> int:
    person = sys.stdin.isatty()
    if person:
        print(f"Loading base and tuned model of {visible(folder.name)} …", file=sys.stderr)
    ready = engine.next()
    if ready["event"] == "error":
        raise DiapasonError(ready["message"], hint=ready.get("hint"))
    if person:
        print(f"{visible(ready['model'])} on {visible(ready['device'])}. {_HELP}\n", file=sys.stderr)
    histories: dict[str, list[dict[str, str]]] = {arm: [] for arm in ready["arms"]}
    while (line := _ask(person)) is not None:
        text = line.strip()
        if text in _QUIT:
            break
        if text == "/new":
            for history in histories.values():
                history.clear()
            print("A new conversation.")
            continue
        if not text:
            continue
        for arm, history in histories.items():
            question = {"role": "user", "content": text}
            engine.send({"arm": arm, "messages": [*history, question], "max_new_tokens": longest})
            answer = _stream(engine, arm)
            if answer is not None:
                history += [question, {"role": "assistant", "content": answer}]
        print(flush=True)
    return 0


def _ask(person: bool) -> str | None:
    """The next line of the person, None at the end of the input."""
    if not person:
        return sys.stdin.readline() or None
    try:
        return input("you    › ")
    except EOFError:
        print()
        return None


def _stream(engine: Engine, arm: str) -> str | None:
    """Print the answer as it comes; gives it whole, or None where the model could not answer."""
    print(f"{arm:<6} › ", end="", flush=True)
    while True:
        event = engine.next()
        if event["event"] == "text":
            print(visible(event["text"], newlines=True), end="", flush=True)
        elif event["event"] == "done":
            print("" if event["ended"] else " … (cut at the longest answer)", flush=True)
            return event["answer"]
        else:
            hint = f" {visible(event['hint'])}" if event.get("hint") else ""
            print(f"({visible(event['message'])}.{hint})", flush=True)
            return None
