"""Talk to a run's models: a JSON object a line in, a JSON object a line out; the conversation is the caller's.

In:   {"arm": "base" | "tuned", "messages": [...], "max_new_tokens": 256}
Out:  {"event": "ready", "model": name, "arms": [...], "device": "cpu"}                      once, when loaded
      {"event": "text", "arm": arm, "text": piece}                                           as it is written
      {"event": "done", "arm": arm, "answer": text, "tokens": n, "seconds": s, "ended": true | false}
      {"event": "error", "message": text, "hint": text | null}        after which the next line may be sent
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import IO, Any

import torch
from transformers import GenerationConfig
from transformers.generation.streamers import BaseStreamer

from core.chat import ChatModel
from core.engine.job import describe
from core.engine.models import Models, Owner
from core.errors import DiapasonError
from core.files import finite
from core.runs.folder import RunFolder

_ARMS = ("base", "tuned")


class Pieces(BaseStreamer):
    """Sends an answer on as it is generated, whole characters only."""

    def __init__(self, chat: ChatModel, send: Any) -> None:
        self._chat = chat
        self._send = send
        self._prompt_seen = False
        self.ids: list[int] = []
        self.sent = ""
        self.ended = False

    def put(self, value: torch.Tensor) -> None:
        """Take the prompt first, then each token."""
        if not self._prompt_seen:
            self._prompt_seen = True
            return
        for token in value.flatten().tolist():
            if token in self._chat.stop_ids:
                self.ended = True
            else:
                self.ids.append(token)
        text = self._chat.decode(self.ids)
        # A character of several tokens reads as U+FFFD until its last one has come.
        if not text.endswith("�"):
            self._flush(text)

    def end(self) -> None:
        """Send what is left."""
        self._flush(self._chat.decode(self.ids))

    def _flush(self, text: str) -> None:
        if text.startswith(self.sent) and len(text) > len(self.sent):
            self._send(text[len(self.sent) :])
            self.sent = text


def serve(folder: Path) -> int:
    """Answer the lines of stdin until it ends; 0, or 1 where the run's models cannot be loaded."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Libraries print what they like to stdout; only the protocol may reach the reader.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def send(event: str, **fields: Any) -> None:
        out.write(json.dumps(finite({"event": event, **fields}), ensure_ascii=False) + "\n")
        out.flush()

    try:
        room = Talk(RunFolder(folder), send)
    except Exception as error:
        record = describe(error)
        print(record["traceback"] or record["message"], file=sys.stderr)
        send("error", message=record["message"], hint=record["hint"])
        return 1
    send("ready", model=room.info.name, arms=list(_ARMS), device=str(room.models.device))
    room.listen(sys.stdin)
    return 0


class Talk:
    """The run's base and tuned model, and how they answer."""

    def __init__(self, run: RunFolder, send: Any) -> None:
        owner = Owner(run)
        self.info = owner.info
        self._chat = owner.chat
        self.models = Models(run.path, owner.recipe, owner.info)
        self._send = send
        with self.models.ready(True):
            pass

    def listen(self, lines: IO[str]) -> None:
        """Answer each line until the input ends or the reader is gone."""
        for line in lines:
            if not line.strip():
                continue
            try:
                self._answer(json.loads(line))
            except BrokenPipeError:
                return
            except Exception as error:
                record = describe(error)
                if record["traceback"]:
                    print(record["traceback"], file=sys.stderr, flush=True)
                self._send("error", message=record["message"], hint=record["hint"])

    def _answer(self, request: dict[str, Any]) -> None:
        arm = request["arm"]
        if arm not in _ARMS:
            raise DiapasonError(f"there is no model called `{arm}`")
        began = time.monotonic()
        ids = self._chat.prompt_ids(request["messages"])
        room = int(request.get("max_new_tokens") or 256)
        if self.info.max_positions is not None:
            room = min(room, self.info.max_positions - len(ids))
        if room < 1:
            raise DiapasonError(
                f"the conversation has {len(ids)} tokens, and the model reads {self.info.max_positions}",
                hint="Begin a new one.",
            )
        pieces = Pieces(self._chat, lambda text: self._send("text", arm=arm, text=text))
        with self.models.ready(arm == "tuned") as model, torch.no_grad():
            prompt = torch.tensor([ids], device=model.device)
            model.generate(
                input_ids=prompt,
                attention_mask=torch.ones_like(prompt),
                streamer=pieces,
                generation_config=GenerationConfig(
                    max_new_tokens=room,
                    do_sample=False,
                    eos_token_id=sorted(self._chat.stop_ids),
                    pad_token_id=self._chat.pad_id,
                ),
            )
        self._send(
            "done",
            arm=arm,
            answer=self._chat.decode(pieces.ids),
            tokens=len(pieces.ids),
            seconds=time.monotonic() - began,
            ended=pieces.ended,
        )
