"""A model's tokenizer and special tokens, read from its files with the `tokenizers` library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Encoding, Tokenizer

from core.errors import DiapasonError
from core.models import read_json_file
from core.weights import LFS_POINTER

_NAMED = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


class ModelTokenizer:
    """Text to token ids and back, as transformers' tokenizer of the same folder does it.

    specials: the named special tokens, as a chat template may write them. settings: tokenizer_config.json.
    added: ids of tokens that are matched whole, before any other rule. prefix: ids that open a plain text.

    Raises:
        DiapasonError: where tokenizer.json is missing or cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = _object(folder / "tokenizer_config.json")
        self.backend = _load(folder / "tokenizer.json")
        self.backend.no_truncation()
        self.backend.no_padding()
        self.specials = _specials(folder, self.settings)
        self._add_missing()
        self.added = frozenset(self.backend.get_added_tokens_decoder())
        self.size = self.backend.get_vocab_size(with_added_tokens=True)
        vocabulary = self.backend.get_vocab(with_added_tokens=True)
        self.highest_id = max(vocabulary.values(), default=-1)
        layout = json.loads(self.backend.to_str())
        self._byte_level = '"ByteLevel"' in json.dumps([layout.get("decoder"), layout.get("pre_tokenizer")])
        self.bos_id = self.id_of(self.specials.get("bos_token"))
        self.eos_id = self.id_of(self.specials.get("eos_token"))
        self.prefix = self._prefix()
        # Where a text may be cut and its parts be encoded one by one (not with SentencePiece's leading space).
        self.splits = self.ids("\n") + self.ids("x") == self.ids("\nx")

    def ids(self, text: str) -> list[int]:
        """The ids of `text`, with no special token added."""
        return self._encode(text).ids

    def spans(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """The ids of `text` and, for each, the (start, end) characters that it stands for.

        White space that a tokenizer trims off its offsets is given back, so that the spans leave no gaps.
        """
        encoding = self._encode(text)
        spans: list[tuple[int, int]] = []
        last = 0
        for start, end in encoding.offsets:
            end = end if end > last else last
            spans.append((start if start < last else last, end))
            last = end
        return encoding.ids, spans

    def id_of(self, token: str | None) -> int | None:
        """The id of `token`, or None."""
        return None if token is None else self.backend.token_to_id(token)

    def decode(self, ids: list[int]) -> str:
        """The text of `ids`, without special tokens."""
        return self.backend.decode(ids, skip_special_tokens=True)

    def piece(self, token_id: int) -> str:
        """How the token reads alone; bytes that are no character by themselves show as ``<0xE2>``."""
        token = self.backend.id_to_token(token_id)
        if token is None:
            return f"<{token_id}?>"
        if token_id in self.added:
            return token
        if not self._byte_level:
            if len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
                code = int(token[3:5], 16)
                return chr(code) if code < 0x80 else token
            return token.replace("▁", " ")
        try:
            data = bytes(_BYTES[char] for char in token)
        except KeyError:
            return token
        try:
            return data.decode()
        except UnicodeDecodeError:
            return "".join(f"<0x{byte:02X}>" for byte in data)

    def _encode(self, text: str) -> Encoding:
        try:
            return self.backend.encode(text, add_special_tokens=False)
        except (TypeError, UnicodeEncodeError) as error:
            raise DiapasonError(
                "the text holds a lone surrogate, half of a character, which no tokenizer reads",
                hint="Write the file again as UTF-8, or take the character out.",
            ) from error

    def _prefix(self) -> list[int]:
        asked = self.settings.get("add_bos_token")
        if isinstance(asked, bool):
            return [self.bos_id] if asked and self.bos_id is not None else []
        plain = self.ids("a")
        full = self.backend.encode("a", add_special_tokens=True).ids
        for start in range(len(full) - len(plain) + 1):
            if full[start : start + len(plain)] == plain:
                return full[:start]
        return []

    def _add_missing(self) -> None:
        known = {token.content for token in self.backend.get_added_tokens_decoder().values()}
        listed = self.settings.get("added_tokens_decoder")
        entries = sorted(listed.items(), key=lambda item: int(item[0])) if isinstance(listed, dict) else []
        for _, entry in entries:
            token = _token(entry)
            if token and token.content not in known:
                self.backend.add_tokens([token])
                known.add(token.content)
        extra = self.settings.get("extra_special_tokens") or self.settings.get("additional_special_tokens") or []
        names = [*self.specials.values(), *(extra.values() if isinstance(extra, dict) else extra)]
        for name in names:
            content = _content(name)
            if content and content not in known:
                self.backend.add_special_tokens([AddedToken(content, special=True, normalized=False)])
                known.add(content)


def _load(path: Path) -> Tokenizer:
    if not path.is_file():
        slow = (path.parent / "tokenizer.model").is_file() or (path.parent / "vocab.json").is_file()
        raise DiapasonError(
            "there is no tokenizer.json in the model's folder",
            where=str(path.parent),
            hint="Convert the old tokenizer once: AutoTokenizer.from_pretrained(folder).save_pretrained(folder)."
            if slow
            else "Download the model again, with its tokenizer.",
        )
    with path.open("rb") as handle:
        if handle.read(len(LFS_POINTER)) == LFS_POINTER:
            read_json_file(path)  # raises, saying that it is a pointer
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise DiapasonError(
            f"the tokenizer cannot be read: {error}", where=str(path), hint="Download the model again."
        ) from error


def _object(path: Path) -> dict[str, Any]:
    value = read_json_file(path) if path.is_file() else {}
    return value if isinstance(value, dict) else {}


def _specials(folder: Path, settings: dict[str, Any]) -> dict[str, str]:
    older = _object(folder / "special_tokens_map.json")
    named = {name: _content(settings.get(name)) or _content(older.get(name)) for name in _NAMED}
    return {name: content for name, content in named.items() if content}


def _content(value: Any) -> str | None:
    value = value.get("content") if isinstance(value, dict) else value
    return value if isinstance(value, str) and value else None


def _token(entry: Any) -> AddedToken | None:
    content = _content(entry)
    if content is None or not isinstance(entry, dict):
        return None
    flags = {key: bool(entry.get(key, False)) for key in ("single_word", "lstrip", "rstrip", "special")}
    return AddedToken(content, normalized=bool(entry.get("normalized", not flags["special"])), **flags)


def _byte_alphabet() -> dict[str, int]:
    """Byte-level BPE's characters: printable Latin-1 stands for itself, the other bytes from U+0100 on (GPT-2)."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + n): byte for n, byte in enumerate(others)}


_BYTES = _byte_alphabet()
