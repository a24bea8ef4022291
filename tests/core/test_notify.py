"""Who is told when a run ends or needs somebody, with real runners and a local server."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from core.files import read_jsonl
from core.notify import notice, request, send
from core.runs.commands import send as command
from core.runs.folder import RunFolder
from core.worker.launch import launch
from tests.runs_help import fake_home, queue_run, settled, status, wait

__all__ = ["fake_home"]
pytestmark = pytest.mark.usefixtures("fake_home")


class Server:
    """A server that keeps what is posted; where it is `silent` it never answers."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.code = 200
        self.silent = False
        self.released = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # noqa: N802 (the library's name)
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                if outer.silent:
                    outer.released.wait(30)
                self.send_response(outer.code)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.released.set()
    found.http.shutdown()
    found.http.server_close()


def notes(folder: RunFolder) -> list[dict[str, Any]]:
    return [record for record in read_jsonl(folder.runner_events)[0] if record["event"] == "notify"]


def end(folder: RunFolder) -> str:
    wait(lambda: settled(folder), 30, "the end of the run")
    return status(folder)


def test_ntfy_is_told_of_the_end(server: Server) -> None:
    folder = queue_run({"steps": 2}, name="Größe \x1b[2J\n", notify={"webhook": f"{server.address}/runs"})
    launch(folder)
    assert end(folder) == "completed"
    ((path, headers, body),) = server.got
    assert path == "/runs" and body.decode() == "Größe ␛[2J⏎: completed"
    assert headers["title"].startswith("=?UTF-8?B?") and headers["content-type"].startswith("text/plain")
    assert [(record["about"], record["problem"]) for record in notes(folder)] == [("completed", None)]


def test_slack_is_told_why_a_run_failed(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.address)
    hook = {"webhook": "http://hooks.slack.com/services/x"}
    folder = queue_run({"steps": 5, "accidents": {"1": [2, "raise"]}}, name="<!channel> & co", notify=hook)
    launch(folder)
    assert end(folder) == "failed"
    ((path, headers, body),) = server.got
    assert path == "http://hooks.slack.com/services/x" and headers["content-type"] == "application/json"
    title, _, reason = json.loads(body)["text"].partition("\n")
    assert title == "&lt;!channel&gt; &amp; co: failed" and "mat1 and mat2" in reason


def test_the_command_is_told_and_a_person_who_stops_is_not(tmp_path: Path) -> None:
    line = f'echo "$DIAPASON_RUN_NAME|$DIAPASON_STATUS|$DIAPASON_REASON" >> {tmp_path}/told'
    wanted = {"command": line}
    folder = queue_run({"steps": 2}, name="mine", notify=wanted)
    stopped = queue_run({"steps": 1000}, notify=wanted)
    launch(folder)
    end(folder)
    launch(stopped)
    wait(lambda: stopped.state().get("job"))
    command(stopped, "stop")
    assert end(stopped) == "stopped"
    assert (tmp_path / "told").read_text() == "mine|completed|\n" and not notes(stopped)


def test_a_failing_mirror_is_told_once_while_the_run_goes_on(tmp_path: Path) -> None:
    wanted = {"command": f'echo "$DIAPASON_STATUS: $DIAPASON_REASON" >> {tmp_path}/told'}
    folder = queue_run({"steps": 40, "seal": 5}, notify=wanted, mirror="exit 4 # {run}")
    launch(folder)
    assert end(folder) == "completed"
    told = (tmp_path / "told").read_text().splitlines()
    assert sorted(told) == ["completed: ", "mirror failing: the copy ended with code 4"]


def test_what_hangs_delays_nothing(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_NOTIFY_SECONDS", "2")
    server.silent = True
    folder = queue_run({"steps": 2}, notify={"webhook": server.address, "command": "sleep 60"})
    after = queue_run({"steps": 2})
    launch(folder)
    launch(after)
    wait(lambda: server.got)
    assert status(folder) == "completed" and not notes(folder)
    assert end(after) == "completed"
    begun = time.monotonic()
    end(folder)
    assert time.monotonic() - begun < 10
    (note,) = notes(folder)
    assert "the command took more than 2 s" in note["problem"] and "the webhook" in note["problem"]


def test_what_goes_wrong_is_said(server: Server) -> None:
    server.code = 404
    folder = queue_run(notify={"webhook": server.address, "command": "exit 3"})
    assert set(send(folder, "failed", 5)) == {"the command ended with code 3", "the webhook answered 404"}
    gone = queue_run(notify={"webhook": "http://127.0.0.1:9/x"})
    assert "was not reached" in send(gone, "failed", 5)[0]
    said = notice(folder, "failed")
    assert request("https://ntfy.sh/x", said | {"reason": "no room"}).data == b"no room"
