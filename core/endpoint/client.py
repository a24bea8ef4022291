"""Chat completions of an OpenAI-compatible endpoint, asked with patience."""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from core.endpoint.budget import guess_tokens
from core.errors import DiapasonError, UsageError

if TYPE_CHECKING:
    import requests

URL_VARIABLE, KEY_VARIABLE = "OPENAI_BASE_URL", "OPENAI_API_KEY"
_TRIES = 6
_FIRST_WAIT, _LONGEST_WAIT, _LONGEST_TOLD = 0.5, 120.0, 1800.0
_CONNECT = 10.0
_PIECE, _LARGEST = 1 << 14, 1 << 25
_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
# One row may be at fault (too long, refused); these say that no row will do better.
_HOPELESS = {
    401: f"the endpoint does not accept the key; it is read from {KEY_VARIABLE}",
    402: "the endpoint wants to be paid first",
    403: f"the endpoint does not let this key in; it is read from {KEY_VARIABLE}",
    404: "the endpoint knows no such address or model",
    405: "the endpoint takes no chat completions there",
}


Messages = Sequence[Mapping[str, Any]]


class RowRefused(DiapasonError):
    """The endpoint will not answer this one request."""


class NoAnswer(RowRefused):
    """Nothing was heard of the endpoint, however often it was asked."""


class _NoCompletion(Exception):
    """What came is no chat completion."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, and what it cost in tokens (guessed high where the endpoint does not say). ended: by itself."""

    text: str
    given: int
    made: int
    ended: bool = True


@dataclass(frozen=True, slots=True)
class _Form:
    """How the limit of an answer is called, and whether a seed goes along."""

    limit: str
    seeded: bool


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    retry_after: str | None
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


def base_url(given: str | None, where: str = "--endpoint") -> str:
    """The endpoint's base URL, from `given` or the environment. Raises UsageError where there is none usable."""
    url = (given or os.environ.get(URL_VARIABLE, "")).strip().rstrip("/")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, usable = urlsplit(""), False
    if not usable:
        raise UsageError(
            f"`{url}` is no http address" if url else "there is no endpoint",
            where=where,
            hint=f"For example http://localhost:8000/v1, or set {URL_VARIABLE}.",
        )
    if parts.username or parts.password or parts.query:
        raise UsageError("a key does not belong into the address", where=where, hint=f"Set {KEY_VARIABLE}.")
    return url.removesuffix("/chat/completions")


class Client:
    """Asks one endpoint for completions of one model; for several threads. The key is read from the environment."""

    def __init__(
        self,
        url: str,
        model: str,
        *,
        temperature: float,
        seed: int,
        timeout: float,
        stop: threading.Event,
        top_p: float | None = None,
        tries: int = _TRIES,
    ) -> None:
        """A client of the model called `model` at `url`.

        Args:
            timeout: seconds for an answer.
            stop: ends all waiting once it is set.
            top_p: nucleus of the sampling; None leaves it to the endpoint.
            tries: how often one request is sent before it is given up.
        """
        self._url = f"{url}/chat/completions"
        self.model = model
        self._top_p, self._tries = top_p, tries
        self._temperature, self._seed, self._timeout, self._stop = temperature, seed, timeout, stop
        self._key = os.environ.get(KEY_VARIABLE, "").strip()
        if not (self._key.isascii() and self._key.isprintable()) or " " in self._key:
            raise UsageError("the key has characters that no key has", where=KEY_VARIABLE)
        self._random = random.Random(seed)
        self._form = _Form("max_tokens", True)
        self._local = threading.local()

    def ask(
        self,
        messages: Messages,
        number: int,
        most: int,
        before: Callable[[], bool],
        wasted: Callable[[], None],
        later: Callable[[float], None],
    ) -> Reply | None:
        """The model's answer to `messages`, of `most` tokens; None where the stop was set.

        Args:
            messages: the conversation, each a ``{"role", "content"}``.
            number: of the row: its seed differs from those of the others.
            before: is called before every try; False ends the asking.
            wasted: is called after a try that may have cost tokens although no answer came.
            later: is called with the seconds for which the endpoint wants to hear nothing.

        Raises:
            RowRefused: this row gets no answer.
            DiapasonError: no row will.
        """
        problem = ""
        for attempt in range(self._tries):
            if not before():
                return None
            wait = min(_FIRST_WAIT * 2**attempt * (1 + self._random.random() / 4), _LONGEST_WAIT)
            try:
                form = self._form
                answer = self._post(messages, number, most, form)
                while answer.status in (400, 422) and self._adapts(answer.text, form):
                    form = self._form
                    answer = self._post(messages, number, most, form)
                if answer.status == 200:
                    return _reply(answer.body, messages)
                problem = f"HTTP {answer.status}"
            except _NoCompletion:
                # A broken answer may be whole next time.
                problem = "an answer that is no completion"
                wasted()
            except OSError as error:
                problem = _short(error)
                if not _never_sent(error):
                    wasted()
            else:
                if answer.status in _HOPELESS:
                    raise DiapasonError(
                        f"{_HOPELESS[answer.status]} ({problem})", where=self._url, hint=self._says(answer)
                    )
                if answer.status not in _AGAIN:
                    raise RowRefused(f"{problem}: {self._says(answer)}", where=self._url)
                told = min(_retry_after(answer.retry_after), _LONGEST_TOLD)
                later(told)
                wait = max(wait, told)
            if attempt + 1 < self._tries and self._stop.wait(wait):
                return None
        tries = "1 try" if self._tries == 1 else f"{self._tries} tries"
        raise NoAnswer(f"no answer after {tries}: {problem}", where=self._url)

    def _post(self, messages: Messages, number: int, most: int, form: _Form) -> _Answer:
        body: dict[str, Any] = {
            "model": self.model,
            "messages": list(messages),
            "temperature": self._temperature,
            form.limit: most,
        }
        if self._top_p is not None:
            body["top_p"] = self._top_p
        if form.seeded:
            body["seed"] = self._seed + number
        end = time.monotonic() + self._timeout
        times = (min(_CONNECT, self._timeout), self._timeout)
        try:
            response = self._session().post(self._url, json=body, timeout=times, allow_redirects=False, stream=True)
        except ValueError as error:
            # So requests and urllib3 tell of an address that they cannot make a request of.
            raise DiapasonError(
                "no request can be sent to this address", where=self._url, hint="Is there a slip in it?"
            ) from error
        with response:
            return _Answer(response.status_code, response.headers.get("Retry-After"), _load(response, end))

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            import requests

            session = self._local.session = requests.Session()
            # Given as a function so that no .netrc takes its place.
            session.auth = self._signed
        return session

    def _signed(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._key:
            request.headers["Authorization"] = f"Bearer {self._key}"
        return request

    def _adapts(self, refusal: str, form: _Form) -> bool:
        """Whether a request refused in `form` can be put as this endpoint wants it: not all know the same fields."""
        if form.limit == "max_tokens" and "max_completion_tokens" in refusal:
            self._form = replace(self._form, limit="max_completion_tokens")
        elif form.seeded and "seed" in refusal:
            self._form = replace(self._form, seeded=False)
        return self._form != form

    def _says(self, answer: _Answer) -> str:
        """What the endpoint says about its refusal, on one line, without the key."""
        try:
            error = json.loads(answer.body).get("error")
            text = error.get("message") if isinstance(error, dict) else error
        except (ValueError, AttributeError, RecursionError):
            text = answer.text
        line = " ".join(str(text or "").split())
        return (line.replace(self._key, "…") if self._key else line)[:200]


def _reply(raw: bytes, messages: Messages) -> Reply:
    """Raises _NoCompletion where the body is no chat completion."""
    try:
        body = json.loads(raw)
        text = body["choices"][0]["message"]["content"]
        ended = body["choices"][0].get("finish_reason") != "length"
    except (ValueError, RecursionError, KeyError, IndexError, TypeError, AttributeError):
        raise _NoCompletion from None
    text = text if isinstance(text, str) else ""
    asked = "".join(str(message.get("content") or "") for message in messages)
    usage = body.get("usage") if isinstance(body.get("usage"), dict) else {}
    given, made = usage.get("prompt_tokens"), usage.get("completion_tokens")
    return Reply(text, _count(given, asked), _count(made, text), ended)


_MOST_TOLD = 10**9


def _count(told: Any, text: str) -> int:
    known = isinstance(told, int) and not isinstance(told, bool) and 0 <= told <= _MOST_TOLD
    return told if known else guess_tokens(text)


def _retry_after(told: str | None) -> float:
    """Seconds to wait by a Retry-After header (RFC 9110, 10.2.3): seconds or a date."""
    if not told:
        return 0.0
    try:
        return max(0.0, float(told))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(told) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def _load(response: requests.Response, end: float) -> bytes:
    """The body, read until `end` (of the monotonic clock): the time-out of requests is for each piece alone.

    Raises _NoCompletion where it is longer than any completion.
    """
    from requests.exceptions import ReadTimeout

    body = bytearray()
    for part in response.iter_content(_PIECE):
        body += part
        if time.monotonic() > end:
            raise ReadTimeout
        if len(body) > _LARGEST:
            raise _NoCompletion
    return bytes(body)


def _never_sent(error: OSError) -> bool:
    """Whether the request cannot have reached the endpoint, so that it cost nothing."""
    from requests.exceptions import ConnectTimeout
    from urllib3.exceptions import NewConnectionError

    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return isinstance(error, ConnectTimeout) or isinstance(reason, NewConnectionError)


def _short(error: OSError) -> str:
    """A network error in a few words; its own text may go on for lines."""
    name = type(error).__name__
    return {
        "ConnectionError": "no connection",
        "ReadTimeout": "it takes too long",
        "ConnectTimeout": "no connection",
    }.get(name, name)
