"""The runner's desk: commands come in, acknowledgements and the state go out. One writer per file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from core.files import JsonlWriter, read_json, read_jsonl, write_json
from core.runs.commands import COMMANDS
from core.runs.folder import RunFolder


def _say(*words: object) -> None:
    try:
        print(*words, flush=True)
    except OSError:  # the log is on the disk that is full
        pass


class Desk:
    """state.json, runner.jsonl, inbox.json and control/ of one run, for its runner alone.

    A disk that is full stops no run: what cannot be written now is written with the next change. Attributes:
    state: what state.json holds or shall hold; unsaved: whether that could not be written.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.state: dict[str, Any] = folder.state()
        self._answered = {record.get("id") for record in read_jsonl(folder.runner_events)[0] if record.get("id")}
        self._events: JsonlWriter | None = None
        self.unsaved = False
        inbox = read_json(folder.inbox)
        self._sequence = int(inbox.get("seq") or 0) if isinstance(inbox, dict) else 0
        self._passed: list[dict[str, str]] = []

    def note(self, event: str, **values: Any) -> None:
        """Append an event to runner.jsonl, and to the runner's log."""
        _say(time.strftime("%Y-%m-%d %H:%M:%S"), event, *(f"{k}={v}" for k, v in values.items()))
        try:
            if self._events is None:
                self._events = JsonlWriter(self.folder.runner_events)
            self._events.write({"t": time.time(), "m": time.monotonic(), "event": event, **values}, sync=True)
        except OSError as error:
            _say(f"cannot write runner.jsonl: {error}")

    def save(self, **changes: Any) -> None:
        """Put `changes` into state.json, if they change anything."""
        if not self.unsaved and all(self.state.get(name, self) == value for name, value in changes.items()):
            return
        self.state.update(changes)
        try:
            write_json(self.folder.state_file, self.state)
            self.unsaved = False
        except OSError as error:
            if not self.unsaved:
                _say(f"cannot write state.json: {error}")
            self.unsaved = True

    def waiting(self) -> list[Path]:
        """The commands that lie in control/, oldest first."""
        try:
            return sorted(path for path in self.folder.control.iterdir() if path.suffix == ".json")
        except OSError:
            return []

    def commands(self) -> list[dict[str, Any]]:
        """Take what came in: each a dict with ``command`` and ``id``; what is no command is answered and dropped."""
        found: list[dict[str, Any]] = []
        for path in self.waiting():
            value = read_json(path)
            record: dict[str, Any] = value if isinstance(value, dict) else {}
            record["id"] = str(record.get("id") or path.stem)
            if record["id"] in self._answered:
                self._remove(path)
            elif record.get("command") in COMMANDS:
                found.append(record)
            else:
                self.answer(record, "not a command")
        return found

    def answer(self, record: dict[str, Any], result: str) -> None:
        """Acknowledge a command, then remove it: a runner that dies between the two does not act twice."""
        self._answered.add(record["id"])
        self.note("command", command=str(record.get("command")), id=record["id"], result=result)
        self._remove(self.folder.control / f"{record['id']}.json")

    def refuse(self, paths: list[Path]) -> None:
        """Answer commands that were meant for an earlier life of this run."""
        for path in paths:
            value = read_json(path)
            record: dict[str, Any] = value if isinstance(value, dict) else {}
            self.answer({**record, "id": path.stem}, "too late: the run had ended")

    def _remove(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            _say(f"cannot remove a command: {error}")

    def tell_job(self, command: str, command_id: str) -> None:
        """Add a command to the job's inbox. Raises OSError where it cannot be written."""
        self._passed.append({"id": command_id, "command": command})
        self._write_inbox()

    def clear_inbox(self) -> None:
        """Take all commands out of the inbox: what was said to one attempt does not bind the next."""
        self._passed = []
        if self.folder.inbox.exists():
            self._write_inbox()

    def _write_inbox(self) -> None:
        self._sequence += 1
        write_json(self.folder.inbox, {"seq": self._sequence, "commands": self._passed})
