"""Defects of what a row's texts say: characters, marks, damage, personal data; and decoys that are none."""

from __future__ import annotations

import random
from collections.abc import Callable

import _planted_values as values
from _planted import KINDS, WORDS, Row, answers, asked, places, plants, turns_of

Say = Callable[[random.Random], str]


def put(row: Row, said: str, rng: random.Random, inside: bool = False) -> Row:
    """Write `said` at the start, at the end, or between two sentences of a text; `inside` anywhere in it."""
    holder, key = rng.choice(places(row))
    if key == "label":
        key = "text"
    text = str(holder[key])
    way = rng.randrange(4)
    if way == 0:
        holder[key] = said + ("" if inside else " " if not text[:1].isdigit() else " – ") + text
    elif way == 1:
        holder[key] = text + ("" if inside else rng.choice([" – ", "\n"])) + said
    elif inside:
        place = rng.randrange(1, max(2, len(text)))
        holder[key] = text[:place] + said + text[place:]
    else:
        # Next to a number another one would be read as its part.
        ends = [place for place in range(len(text)) if text[place : place + 2] in (". ", "? ", "! ", ".\n")]
        ends = [place for place in ends if not any(char.isdigit() for char in text[place - 1 : place + 4])]
        place = rng.choice(ends) + 1 if ends else len(text)
        holder[key] = (
            f"{text[:place]}{' ' if ends else chr(10)}{said}{'' if said[-1:] in '.!?' else '.'}{text[place:]}"
        )
    return row


def _says(code: str, say: Say, inside: bool = False, also: tuple[str, ...] = ()) -> None:
    plants(code, also=also)(lambda row, rng: put(row, say(rng), rng, inside))


# -- characters -----------------------------------------------------------------------------------------------

_CONTROL = [chr(code) for code in (*range(9), 11, 12, *range(14, 27), *range(28, 32), 127)]
_says("control_chars", lambda rng: rng.choice(_CONTROL) * rng.choice([1, 1, 2]), inside=True)
_says("terminal_escape", lambda rng: rng.choice(WORDS["escapes"]), inside=True, also=("mojibake", "control_chars"))
_says("bidi_control", lambda rng: rng.choice("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"), inside=True)
_says("zero_width", lambda rng: rng.choice("\u200b\u2060\ufeff"), inside=True)
_says("zero_width", lambda rng: "pass" + rng.choice("\u200c\u200d") + "word")
_says("replacement_char", lambda rng: rng.choice(WORDS["lost"]))


# -- damage ---------------------------------------------------------------------------------------------------


def _misread(text: str, encoding: str) -> str:
    raw = text.encode()
    # As browsers do: bytes that the code page lacks are taken for the control characters of Latin-1.
    return "".join(_one(raw[place : place + 1], encoding) for place in range(len(raw)))


def _one(byte: bytes, encoding: str) -> str:
    try:
        return byte.decode(encoding)
    except UnicodeDecodeError:
        return byte.decode("latin-1")


def _mojibake(rng: random.Random) -> str:
    encoding = rng.choice([*["cp1252"] * 5, "latin-1", "cp1251", "cp1250"])
    text = _misread(rng.choice(WORDS["meant"][encoding]), encoding)
    return _misread(text, encoding) if encoding == "cp1252" and rng.random() < 0.15 else text


_says("mojibake", _mojibake, also=("control_chars", "terminal_escape"))


# -- marks ----------------------------------------------------------------------------------------------------

_says("special_token", lambda rng: rng.choice(WORDS["tokens"]))
_says(
    "template_placeholder",
    lambda rng: rng.choice(["Dear %s,", "Hello %s!", "%s", "Signed, %s."]) % rng.choice(WORDS["fields"]),
)


@plants("placeholder", "chat", "tools", "sharegpt", "alpaca", "prompt-completion", "preference", "text")
def stands_in(row: Row, rng: random.Random) -> Row:
    """A prompt or an answer that is only a placeholder."""
    said = rng.choice(WORDS["nothing"])
    if turns_of(row):
        turn = rng.choice(answers(row) + asked(row))
        turn["content" if "content" in turn else "value"] = said
        return row
    holder, key = rng.choice(
        [place for place in places(row) if place[1] not in ("chosen", "rejected")] or places(row)
    )
    holder[key] = said
    return row


@plants("placeholder", "alpaca")
def no_input(row: Row, rng: random.Random) -> Row:
    """Alpaca's input that says that there is none."""
    row["input"] = rng.choice(["<noinput>", "No input", "N/A", "none", "None", "[empty]", "nothing"])
    return row


# -- personal data --------------------------------------------------------------------------------------------

_VALUES = {
    "pii_email": values.email, "pii_phone": values.phone, "pii_iban": values.iban, "pii_card": values.card,
    "pii_nir": values.nir, "pii_ssn": values.ssn, "pii_ip": values.address, "secret": values.secret,
}  # fmt: skip


def _personal(code: str, frames: list[str], value: Say) -> None:
    _says(code, lambda rng: rng.choice(frames).format(value(rng)))


for _code, _value in _VALUES.items():
    _personal(_code, WORDS["said"][_code], _value)
_says("pii_phone", values.obvious_phone)


# -- decoys ---------------------------------------------------------------------------------------------------


@plants("", *KINDS)
def decoy(row: Row, rng: random.Random) -> Row:
    """Something that looks like a defect and is none."""
    return put(row, rng.choice(WORDS["decoys"]), rng)
