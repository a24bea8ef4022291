"""One notice of a run: ``python -m core.notify FOLDER EVENT``, the person's command and webhook. Ends within seconds.

Standard library only, and a process of its own: what the network needs does not stay in the runner's memory.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from core.files import read_json
from core.runs.folder import RunFolder
from core.text import visible
from core.worker.timing import Timing

_SLACK = "hooks.slack.com"
_LONGEST = 500


def notice(folder: RunFolder, event: str) -> dict[str, str]:
    """``{name, status, reason}`` of the run, inert and on one line each, for `event`.

    `event` is completed, failed, stopped, or mirror: the run goes on, but is not copied.
    """
    state = folder.state()
    status, reason = str(state.get("status") or ""), state.get("reason")
    if event == "mirror":
        found: Any = state.get("mirror")
        status, reason = "mirror failing", found.get("reason") if isinstance(found, dict) else None
    said = {"name": folder.name, "status": status, "reason": str(reason or "")}
    return {key: visible(text[:_LONGEST]) for key, text in said.items()}


def request(address: str, said: dict[str, str]) -> urllib.request.Request:
    """The POST that tells `said`: as Slack's hooks take it where the host is theirs, else as ntfy does."""
    title = f"{said['name']}: {said['status']}"
    if urlsplit(address).hostname == _SLACK:
        # Slack reads <!channel> and the like as orders.
        text = title + (f"\n{said['reason']}" if said["reason"] else "")
        text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        body, headers = json.dumps({"text": text}).encode(), {"Content-Type": "application/json"}
    else:
        body = (said["reason"] or title).encode()
        headers = {"Content-Type": "text/plain; charset=utf-8", "Title": _header(title)}
    return urllib.request.Request(address, body, headers | {"User-Agent": "diapason"}, method="POST")


def _header(text: str) -> str:
    """`text` as the value of a header: as it is where it is ASCII, else encoded by RFC 2047."""
    return text if text.isascii() else f"=?UTF-8?B?{base64.b64encode(text.encode()).decode()}?="


def _post(address: str, said: dict[str, str], seconds: float, problems: list[str]) -> None:
    try:
        with urllib.request.urlopen(request(address, said), timeout=seconds):
            pass
    except urllib.error.HTTPError as error:
        problems.append(f"the webhook answered {error.code}")
    except urllib.error.URLError as error:
        problems.append(f"the webhook was not reached: {error.reason}")
    except (OSError, ValueError, http.client.HTTPException) as error:
        problems.append(f"the webhook was not reached: {error or type(error).__name__}")


def _run(command: str, said: dict[str, str], seconds: float) -> list[str]:
    names = {"DIAPASON_RUN_NAME": "name", "DIAPASON_STATUS": "status", "DIAPASON_REASON": "reason"}
    variables = {variable: said[key] for variable, key in names.items()}
    try:
        child = subprocess.Popen(
            ["/bin/sh", "-c", command], stdin=subprocess.DEVNULL, env=dict(os.environ) | variables, process_group=0
        )
    except OSError as error:
        return [f"the command cannot be run: {error.strerror}"]
    try:
        code = child.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        return [f"the command took more than {seconds:.0f} s and was ended"]
    return [f"the command ended with code {code}"] if code else []


def send(folder: RunFolder, event: str, seconds: float) -> list[str]:
    """Run the command and call the webhook, both at once, for at most `seconds`; gives what went wrong."""
    found = read_json(folder.notify_file)
    wanted = found if isinstance(found, dict) else {}
    said = notice(folder, event)
    deadline = time.monotonic() + seconds
    problems: list[str] = []
    poster = None
    if address := wanted.get("webhook"):
        # A thread, since looking up a name has no time-out.
        poster = threading.Thread(target=_post, args=(str(address), said, seconds, problems), daemon=True)
        poster.start()
    if command := wanted.get("command"):
        problems += _run(str(command), said, seconds)
    if poster is not None:
        poster.join(max(0.1, deadline - time.monotonic()))
        if poster.is_alive():
            problems.append(f"the webhook did not answer within {seconds:.0f} s")
    return problems


def main(arguments: list[str]) -> int:
    """The command line: 0 where all was told, else 1 with the problems on one line."""
    folder, event = RunFolder(arguments[0]), arguments[1]
    problems = send(folder, event, Timing().notify)
    if problems:
        print(f"{event}: {visible('; '.join(problems))}", flush=True)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
