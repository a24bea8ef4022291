"""`diapason data convert`: a data set in another format."""

from __future__ import annotations

import argparse
import json
from typing import Any

from core.home import expand
from core.text import visible
from tui.convert_view import loss_lines
from tui.format import count


def register(verbs: Any) -> None:
    """Add the verb."""
    from tui.commands.data import FORMATS, add_file

    parser = verbs.add_parser("convert", help="write a file in another format, and say what that would lose")
    add_file(parser)
    parser.add_argument(
        "--to", required=True, choices=FORMATS, metavar="F", help="format to write: " + ", ".join(FORMATS)
    )
    parser.add_argument(
        "-o",
        "--out",
        required=True,
        metavar="OUT",
        help="file to write: .jsonl, .json, .csv, .tsv or .parquet, also with .gz or .zst behind",
    )
    parser.add_argument(
        "--messages",
        action="store_true",
        help="prompts and answers as lists of messages (prompt-completion, preference, kto)",
    )
    parser.add_argument(
        "--implicit", action="store_true", help="both answers begin with the prompt, as messages (preference)"
    )
    parser.add_argument(
        "--template", metavar="TEXT", help="how a row becomes text, such as 'Q: {prompt} A: {answer}' (text)"
    )
    parser.add_argument("--lossy", action="store_true", help="write the file although something is lost")
    parser.add_argument("--force", action="store_true", help="replace OUT where it is there already")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run_convert)


def run_convert(args: argparse.Namespace) -> int:
    """Convert a file; 1 where it is refused because something would be lost."""
    from core.data.convert.convert import convert
    from core.data.convert.targets import Target

    out = expand(args.out)
    target = Target(args.to, messages=args.messages, implicit=args.implicit, template=args.template)
    done = convert(
        args.file, out, target, format=args.format, map=args.map, lossy=args.lossy, force=args.force
    )  # fmt: skip
    if args.json:
        document = {
            "schema": 1,
            "from": done.source_format,
            "to": args.to,
            "path": str(done.path) if done.path else None,
            "rows": done.rows,
            "written": done.written if done.path else 0,
            "lost": [loss.to_json() for loss in done.losses],
        }
        print(json.dumps(document, ensure_ascii=False))
        return 0 if done.path else 1
    if done.path:
        rows = f"{count(done.rows)} rows" + (f" became {count(done.written)}" if done.written != done.rows else "")
        print(f"{visible(str(done.path))} · {rows} · {done.source_format} → {args.to}")
    else:
        print(f"Nothing is written: {done.source_format} → {args.to} would lose something.")
    if done.losses:
        print("\n".join(loss_lines(done.losses)))
    elif done.path:
        print("Nothing is lost.")
    if not done.path:
        print("--lossy writes it all the same.")
    return 0 if done.path else 1
