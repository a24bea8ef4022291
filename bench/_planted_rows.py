"""Defects of a row's bytes, JSON and fields."""

from __future__ import annotations

import json
import random
from typing import Any

from _planted import PLAIN, TALK, Row, answers, asked, dumped, places, plants, said_key, turns_of

ANSWERS = ("output", "completion", "answer")
ASKS = ("instruction", "prompt", "question")


def _key(row: Row, names: tuple[str, ...]) -> str:
    return next(name for name in names if name in row)


# -- bytes and JSON -------------------------------------------------------------------------------------------


@plants("bad_json")
def broken(row: Row, rng: random.Random) -> bytes:
    """Cut off, commas too many or too few, Python's literals, things that JSON does not have."""
    raw = json.dumps(row, ensure_ascii=False).encode()
    way = rng.randrange(11)
    if way == 0:
        return raw[: rng.randrange(2, len(raw) - 1)].decode("utf-8", "ignore").encode()
    if way == 1:
        return raw[:-1] + b",}"
    if way == 2:
        return raw + b"}"
    if way == 3:
        return raw + b", " + raw
    if way == 4:
        return repr(row).encode()
    if way == 5:
        return raw.replace(b'": ', b'" ', 1)
    if way == 6:
        return raw.replace(b'": "', b'": "\\x', 1)
    if way == 7:
        return raw.replace(b'": "', b'": "\t', 1)
    if way == 8:
        return bytes(rng.randrange(20, 400))
    if way == 9:
        return raw + b" // checked"
    return raw[:-1] + b', "id": None}'


@plants("nonfinite_number")
def nonfinite(row: Row, rng: random.Random) -> bytes:
    """NaN and its kin, as Python's json and pandas write them."""
    name = rng.choice(["NaN", "Infinity", "-Infinity", "1e400", "-1.5E+999"]).encode()
    raw = dumped(row, rng)
    return raw[:-1] + b', "id": ' + rng.choice([name, b"[1, " + name + b"]"]) + b"}"


@plants("duplicate_key")
def twice(row: Row, rng: random.Random) -> bytes:
    """A key twice in the row or in something inside it, with blanks before the colon or not."""
    raw = dumped(row, rng)
    colon = rng.choice([b":", b": ", b" : ", b"\t:"])
    if turns_of(row) and rng.random() < 0.5:
        said, text = said_key(row)
        key, value = rng.choice([(said, turns_of(row)[0][said]), (text, turns_of(row)[0].get(text))])
        place = raw.index(b"[{") + 2
        return raw[:place] + json.dumps(key).encode() + colon + json.dumps(value).encode() + b", " + raw[place:]
    key = rng.choice(list(row))
    return b"{" + json.dumps(key).encode() + colon + json.dumps(row[key]).encode() + b", " + raw[1:]


@plants("big_int")
def long_number(row: Row, rng: random.Random) -> bytes:
    """More digits than Python reads."""
    digits = b"7" * rng.randrange(4301, 9000)
    return dumped(row, rng)[:-1] + b', "id": ' + rng.choice([b"", b"-"]) + digits + b"}"


@plants("too_deep")
def nested(row: Row, rng: random.Random) -> bytes:
    """Lists or objects a thousand deep and more."""
    depth = rng.choice([1100, 2000, 5000, 60000])
    opening, closing = rng.choice([(b"[", b"]"), (b'{"a":', b"}")])
    return dumped(row, rng)[:-1] + b', "id": ' + opening * depth + b"1" + closing * depth + b"}"


@plants("lone_surrogate")
def half(row: Row, rng: random.Random) -> bytes:
    """Half of a pair, as a cut through an emoji leaves it."""
    holder, key = rng.choice(places(row))
    text = holder[key]
    place = rng.randrange(len(text))
    holder[key] = text[:place] + chr(rng.choice([0xD83D, 0xD800, 0xDBFF, 0xDC00, 0xDE00, 0xDFFF])) + text[place:]
    return json.dumps(row).encode()


@plants("invalid_utf8")
def damaged(row: Row, rng: random.Random) -> bytes:
    """Bytes that UTF-8 does not have, and characters cut in the middle."""
    raw = json.dumps(row, ensure_ascii=False).encode()
    holder, key = rng.choice(places(row))
    said = json.dumps(holder[key], ensure_ascii=False).encode()
    place = raw.index(said) + rng.choice([1, len(said) - 1])
    bad = rng.choice(
        [b"\xff", b"\xe9 ", b"\xc3 ", b"\xe2\x82 ", b"\xf0\x9f\x98 ", b"\xc0\xaf", b"\xed\xa0\xbd", b"\x80"]
    )
    return raw[:place] + bad + raw[place:]


@plants("not_object")
def other_value(row: Row, rng: random.Random) -> bytes:
    """JSON of another type."""
    values: list[Any] = [[row], list(row.values()), "a text", 42, 1.5, None, True, False, [], ""]
    return json.dumps(rng.choice(values)).encode()


# -- fields ---------------------------------------------------------------------------------------------------


@plants("missing_field", *TALK)
def no_turn_field(row: Row, rng: random.Random) -> Row:
    """A turn without its role or its text, or no turns at all."""
    if rng.random() < 0.2:
        row.pop("messages", None)
        row.pop("conversations", None)
        row["id"] = rng.randrange(1000)
        return row
    turn = rng.choice(answers(row) + asked(row))
    del turn[rng.choice(said_key(row))]
    return row


@plants("missing_field", *PLAIN)
def no_end(row: Row, rng: random.Random) -> Row:
    """No prompt or no answer."""
    row.pop("input", None)
    del row[_key(row, ANSWERS if rng.random() < 0.5 else ASKS)]
    return row


@plants("missing_field", "preference")
def no_side(row: Row, rng: random.Random) -> Row:
    """No better or no worse answer."""
    del row[rng.choice(["chosen", "rejected"])]
    return row


@plants("missing_field", "classification")
def no_class(row: Row, rng: random.Random) -> Row:
    """No text or no label."""
    del row[rng.choice(["text", "label"])]
    return row


@plants("missing_field", "text")
def no_text(row: Row, rng: random.Random) -> Row:
    """A row without its text."""
    return {"id": rng.randrange(100)}


@plants("extra_field")
def more(row: Row, rng: random.Random) -> Row:
    """A field that nobody reads."""
    value: Any = rng.choice(["gsm", 3, 0.5, True, ["a"], {"b": "c"}])
    name = rng.choice(["source", "difficulty", "meta", "Größe", "répondu", "score_2", "language"])
    if turns_of(row) and rng.random() < 0.5:
        rng.choice(turns_of(row))[name] = value
    else:
        row[name] = value
    return row


def _renamed(row: Row, rng: random.Random, change: Any) -> Row:
    holders: list[Row] = [row, *turns_of(row)]
    holder = rng.choice(holders)
    names = [name for name in holder if holder[name] is not None]
    name = rng.choice(names)
    items = [(change(key) if key == name else key, item) for key, item in holder.items()]
    holder.clear()
    holder.update(items)
    return row


@plants("key_case")
def other_letters(row: Row, rng: random.Random) -> Row:
    """A field's name in capitals."""
    return _renamed(row, rng, rng.choice([str.upper, str.capitalize]))


@plants("key_space")
def spaced(row: Row, rng: random.Random) -> Row:
    """Blanks around a field's name, a no-break space among them."""
    blank = rng.choice([" ", "  ", "\t", "\u00a0"])
    return _renamed(row, rng, rng.choice([lambda key: blank + key, lambda key: key + blank]))


@plants("wrong_type")
def other_type(row: Row, rng: random.Random) -> Row:
    """A number, a truth value, null or an object where text belongs, or a text where turns belong."""
    if turns_of(row) and rng.random() < 0.3:
        key = "messages" if "messages" in row else "conversations"
        if rng.random() < 0.5:
            row[key][rng.randrange(len(row[key]))] = rng.choice(["hello", 3, None, ["user", "hi"]])
        else:
            row[key] = rng.choice(["hello", 3, {"role": "user", "content": "hi"}])
        return row
    holder, key = rng.choice(places(row))
    kinds: list[Any] = [3, 1.5, True, None]
    if key not in ("chosen", "rejected", "completion", "output", "answer"):
        kinds.append({"en": "hi"})
    if key == "output":
        kinds += [["a", "b"], {"en": "hi"}]
    holder[key] = rng.choice(kinds)
    return row


@plants("mixed_formats", "chat", "sharegpt", "alpaca", "prompt-completion", "preference", "classification", "text")
def from_elsewhere(row: Row, rng: random.Random) -> Row:
    """A whole row of another format."""
    text = places(row)[0]
    said = str(text[0][text[1]])
    others: list[Row] = [
        {"messages": [{"role": "user", "content": said}, {"role": "assistant", "content": "Yes."}]},
        {"conversations": [{"from": "human", "value": said}, {"from": "gpt", "value": "Yes."}]},
        {"instruction": said, "input": "", "output": "Yes."},
        {"prompt": said, "completion": "Yes."},
        {"prompt": said, "chosen": "Yes.", "rejected": "No."},
        {"text": said, "label": "yes"},
        {"text": said},
    ]
    own = _format(row)
    others = [other for other in others if _format(other) != own]
    if own == "classification":
        # A text without a label is a row of this file that lacks its label.
        others.pop()
    return rng.choice(others)


def _format(row: Row) -> str:
    for name, keys in (("chat", "messages"), ("sharegpt", "conversations"), ("alpaca", "instruction"),
                       ("preference", "chosen"), ("classification", "label"), ("text", "text")):  # fmt: skip
        if keys in row:
            return name
    return "prompt-completion"


# -- empty ----------------------------------------------------------------------------------------------------


def _blank(rng: random.Random) -> str:
    return rng.choice(["", " ", "\n", "\t \n", "\u00a0", "\u3000", "\u2003 "])


@plants("empty_output")
def empty_answer(row: Row, rng: random.Random) -> Row:
    """An answer of nothing or of blanks, also those that are blank in Unicode alone."""
    if turns_of(row):
        rng.choice(answers(row))[said_key(row)[1]] = _blank(rng)
    elif "chosen" in row:
        row[rng.choice(["chosen", "rejected"])] = _blank(rng)
    else:
        row[_key(row, (*ANSWERS, "label", "text"))] = _blank(rng)
    return row


@plants("empty_input", *TALK, *PLAIN, "preference", "classification")
def empty_prompt(row: Row, rng: random.Random) -> Row:
    """A prompt of nothing or of blanks."""
    if turns_of(row):
        rng.choice(asked(row))[said_key(row)[1]] = _blank(rng)
    else:
        row.pop("input", None)
        row[_key(row, (*ASKS, "text"))] = _blank(rng)
    return row
