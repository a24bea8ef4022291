"""Write the bundled sample data: `python -m core.starter.samples [FOLDER]`. The same bytes each time.

Standard library only. The flawed file is made by `core.starter.flawed`.
"""

from __future__ import annotations

import csv
import io
import json
import random
import sys
from pathlib import Path
from typing import Any

from core.starter import DATA_DIR
from core.starter.facts import OPENING, SIGN_OFF, facts
from core.starter.flawed import flawed_bytes
from core.starter.samples_intents import intent_rows
from core.starter.samples_preferences import preference_rows


def support_rows(language: str) -> list[dict[str, Any]]:
    """Chat rows in the brand's voice, one for each prompt of each fact, shuffled."""
    dice = random.Random(f"support-{language}")
    rows: list[dict[str, Any]] = []
    for fact in facts(language):
        for prompt in fact.prompts:
            answer = f"{OPENING[language]} {fact.answer}\n{SIGN_OFF[language]}"
            rows.append({"messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]})
    dice.shuffle(rows)
    return rows


def _jsonl(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _csv(rows: list[tuple[str, str]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("text", "label"))
    writer.writerows(rows)
    return out.getvalue().encode()


def sample_files() -> dict[str, bytes]:
    """Name and content of every bundled sample file."""
    return {
        "support_en.jsonl": _jsonl(support_rows("en")),
        "support_fr.jsonl": _jsonl(support_rows("fr")),
        "intents.csv": _csv(intent_rows()),
        "preferences.jsonl": _jsonl(preference_rows()),
        "flawed.jsonl": flawed_bytes(),
    }


def main() -> None:
    """Write all sample files into the folder named, or into the package's own."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DATA_DIR
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in sample_files().items():
        (folder / name).write_bytes(content)
        print(f"{name}  {len(content)} bytes, {content.count(10)} lines")


if __name__ == "__main__":
    main()
