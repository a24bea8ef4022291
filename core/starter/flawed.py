"""The deliberately flawed sample file: fine rows with every fault that a chat file can show, bytes exact.

Standard library only. Nothing in it is an instruction to anybody: the escape sequences and markup are bait
for programs that would show them raw.
"""

from __future__ import annotations

import json
from typing import Any

_FINE: tuple[tuple[str, str], ...] = (
    ("How often should a violin bow be rehaired?", "Once a year is right for most players."),
    ("Which wood is a recorder made of?", "Often pear or maple, sometimes rosewood."),
    ("Can a guitar stay in a cold car?", "Better not: cold and dry air crack the top."),
    ("What is rosin for?", "It gives the bow hair its grip on the strings."),
    ("How do I carry a harp?", "On a trolley, and with a friend."),
    ("Quelle anche pour débuter ?", "Une force 2, souple et facile."),
    ("Comment nettoyer une flûte ?", "Avec un chiffon doux passé dans le tube."),
    ("Where does a metronome belong?", "Wherever you can hear it without looking."),
    ("Are nylon strings louder than steel?", "No, they are softer and rounder."),
    ("Why does my clarinet squeak?", "Often a finger does not quite close its hole."),
    ("Do pianos like radiators?", "Not at all, keep two metres between them."),
    ("How long does a drumhead last?", "A year or two if you hit it kindly."),
)


def _chat(question: str, answer: str, **more: Any) -> dict[str, Any]:
    return {
        "messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}],
        **more,
    }


def _line(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"


def flawed_bytes() -> bytes:
    """The whole file. It ends without a newline, on purpose."""
    user, assistant = "user", "assistant"
    good = [_line(_chat(*pair)) for pair in _FINE]
    flaws: list[bytes] = [
        b'{"messages": [{"role": "user", "content": "The brace that never closes"}\n',
        b'{"messages": [{"role": "user", "content": "A comma too many",}]}\n',
        b'["a list", "is not a row"]\n',
        b'"neither is a string"\n',
        b'{"messages": [{"role": "user", "content": "Caf\xe9 in Latin-1?"}, '
        b'{"role": "assistant", "content": "This byte is not UTF-8."}]}\n',
        b'{"messages": [{"role": "user", "content": "Half a pair \\ud83c here"}, '
        b'{"role": "assistant", "content": "A lone surrogate."}]}\n',
        b'{"messages": [{"role": "user", "content": "How loud?"}, '
        b'{"role": "assistant", "content": "Quite."}], "weight": NaN}\n',
        b'{"messages": [], "messages": [{"role": "user", "content": "Which one counts?"}, '
        b'{"role": "assistant", "content": "A key given twice."}]}\n',
        _line({"conversation_id": 7, "note": "no messages at all"}),
        _line({"messages": "Hello? Is this a list?"}),
        _line({"messages": [{"role": user, "content": 42}, {"role": assistant, "content": "A number as text."}]}),
        _line({"messages": [{"role": user}, {"role": assistant, "content": "The question has no content."}]}),
        _line(
            {
                "messages": [
                    {"role": "wizard", "content": "Which spell?"},
                    {"role": assistant, "content": "None."},
                ]
            }
        ),
        _line(
            {
                "messages": [
                    {"role": "human", "content": "Is this ShareGPT?"},
                    {"role": "gpt", "content": "Almost."},
                ]
            }
        ),
        _line(
            {
                "messages": [
                    {"role": assistant, "content": "I speak first."},
                    {"role": user, "content": "And I?"},
                ]
            }
        ),
        _line(
            {
                "messages": [
                    {"role": user, "content": "One."},
                    {"role": user, "content": "Two."},
                    {"role": assistant, "content": "You asked twice in a row."},
                ]
            }
        ),
        _line(
            {
                "messages": [
                    {"role": user, "content": "Late rules?"},
                    {"role": "system", "content": "Be brief."},
                    {"role": assistant, "content": "The system message comes too late."},
                ]
            }
        ),
        _line({"messages": [{"role": user, "content": "Is anyone there?"}]}),
        _line(
            {
                "messages": [
                    {"role": user, "content": "Hello"},
                    {"role": assistant, "content": "Hello!"},
                    {"role": user, "content": "And the last word is mine."},
                ]
            }
        ),
        _line({"messages": []}),
        _line(_chat("", "An answer to nothing.")),
        _line(_chat("What do you say?", "   ")),
        _line(_chat(*_FINE[0])),
        _line(_chat(*_FINE[3])),
        _line(_chat("When do you close?", "At six in the evening.")),
        _line(_chat("When do you close?", "We never close.")),
        _line(_chat("Do you tune pianos?", "Yes, every week.")),
        _line(_chat("do you tune  pianos?", "No, we do not.")),
        _line(_chat("Ring the bell\u0007 please", "Bell\u0000 and null \u0008 are control characters.")),
        _line(
            _chat(
                "Clear my screen: \u001b[2J\u001b[H",
                "\u001b]0;owned\u0007 \u001b]52;c;b3duZWQ=\u0007 \u001b[31mred",
            )
        ),
        _line(_chat("File name: invoice\u202efdp.exe", "It reads backwards: \u2066hidden\u2069.")),
        _line(_chat("pass\u200bword and \ufeffzero\u200dwidth", "You cannot see all of this\u2060.")),
        _line(_chat("[INST] Ignore the markup [/INST]", "[bold red]Text in brackets is only text.[/]")),
        _line(_chat("[@click=app.quit]Press me[/]", "[link=file:///]Nothing may happen here[/link]")),
        _line(_chat("How do I carry a big harp?", "On a trolley, and with a friend or two.")),
        _line(
            _chat(
                "Please write to ada@example.org or ring +44 20 7946 0018.",
                "Noted, Ada: IBAN GB33BUKB20201555555555.",
            )
        ),
        _line(_chat("I see CafÃ© and naÃ¯ve", "That is mojibake.")),
        _line(_chat("Tell me everything about scales.", "Do re mi fa sol la ti do. " * 500)),
        _line({"instruction": "Which format am I?", "input": "", "output": "Alpaca, among chats."}),
        b"\n",
        b"   \n",
        _line(_chat("Windows line ends?", "Carriage return and line feed.")).rstrip(b"\n") + b"\r\n",
    ]
    lines: list[bytes] = []
    step = 4
    for number, flaw in enumerate(flaws):
        if number % step == 0 and number // step < len(good):
            lines.append(good[number // step])
        lines.append(flaw)
    lines += good[(len(flaws) + step - 1) // step :]
    return b"".join(lines).rstrip(b"\n")
