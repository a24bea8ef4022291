"""A real HTTP server that answers as an OpenAI-compatible endpoint does, as the test wishes."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, dict[str, str], str | Iterable[str]]
"""Status, headers, body; a body in pieces is sent piece by piece, its Content-Length among the headers."""


def completion(content: str, given: int = 100, made: int = 50) -> Answer:
    """A chat completion with its usage."""
    body = {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": given, "completion_tokens": made},
    }
    return 200, {}, json.dumps(body)


def variants(prompt: str, n: int) -> str:
    """`n` new examples, unlike each other, that depend on the row alone."""
    topic = prompt.split("<prompt>\n")[-1].split("\n</prompt>")[0]
    words = ["violets by the river bend", "a steam train in winter", "seven loaves of rye", "old copper coins"]
    return json.dumps([{"prompt": f"{words[k]}: {topic[::-1]}", "answer": f"{topic} {k}!"} for k in range(n)])


@dataclass
class Endpoint:
    """What the server was asked, and how it answers: `answer` gets the body and how often that row was asked."""

    url: str
    answer: Callable[[dict[str, Any], int], Answer]
    bodies: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def prompts(self) -> list[str]:
        """What it was asked, in order."""
        return [body["messages"][0]["content"] for body in self.bodies]


@contextmanager
def serve(answer: Callable[[dict[str, Any], int], Answer]) -> Generator[Endpoint]:
    """The server, for as long as the block runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with found.lock:
                before = found.prompts.count(body["messages"][0]["content"])
                found.bodies.append(body)
                found.headers.append(dict(self.headers.items()))
            assert self.path == "/v1/chat/completions"
            status, headers, text = found.answer(body, before)
            try:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                pieces = [text] if isinstance(text, str) else text
                if isinstance(text, str):
                    self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                for piece in pieces:
                    self.wfile.write(piece.encode())
            except OSError:
                # The client gave up.
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found = Endpoint(f"http://127.0.0.1:{server.server_port}/v1", answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
