"""`diapason recipe`: write a recipe with its reasons, and list every field."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from core.home import expand
from core.text import visible
from tui.commands.advise import FORMATS, METHODS, TASKS

if TYPE_CHECKING:
    from core.recipe import RecipeField


def register(subparsers: Any) -> None:
    """Add the command and its two verbs."""
    parser = subparsers.add_parser("recipe", help="write a recipe, or list its fields")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    new = verbs.add_parser("new", help="write a recipe for a file, each value with its reason")
    new.add_argument("train", metavar="TRAIN", help="training file")
    new.add_argument(
        "--val", metavar="FILE", help="validation file (default: a tenth of the training file's prompts)"
    )
    new.add_argument("--test", metavar="FILE", help="test file (default: a tenth of the training file's prompts)")
    new.add_argument("--model", default="starter", metavar="M", help="folder, hub id, or starter (default)")
    new.add_argument("--task", choices=TASKS, metavar="T", help="what to learn: " + ", ".join(TASKS))
    new.add_argument("--method", choices=METHODS, metavar="|".join(METHODS), help="default: the one that suits")
    new.add_argument("--start", metavar="RUN", help="run whose tuned weights it begins with, or an adapter's folder")
    new.add_argument("--format", choices=FORMATS, metavar="F", help="layout of the rows, where not recognised")
    new.add_argument("--map", metavar="NAME=FIELD,...", help="which field is which: prompt=premise,completion=target")
    new.add_argument("--name", default="", help="name of the run (default: the file's)")
    new.add_argument("-o", "--out", default="run.yaml", metavar="FILE", help="recipe to write (default: run.yaml)")
    new.add_argument("--force", action="store_true", help="overwrite a recipe that is there")
    new.set_defaults(run=run_new)
    listing = verbs.add_parser("fields", help="list every field with its default, limits and source")
    listing.add_argument("--markdown", action="store_true", help="as the page docs/recipe.md")
    listing.add_argument("--json", action="store_true", help="print one JSON document")
    listing.set_defaults(run=run_fields)


def run_new(args: argparse.Namespace) -> int:
    """Check the file, advise, and write the recipe."""
    from core.advisor.write import new_recipe, save_recipe
    from core.errors import UsageError
    from tui.format import duration, size

    out = expand(args.out)
    if out.exists() and not args.force:
        raise UsageError(
            "this file is there already", where=str(out), hint="Give another -o, or --force to overwrite it."
        )
    written = new_recipe(
        args.train,
        out,
        validation=args.val,
        test=args.test,
        model=args.model,
        task=args.task,
        method=args.method,
        format=args.format,
        map=args.map,
        name=args.name,
        start=args.start,
    )
    save_recipe(out, written.text)
    advice = written.advice
    plan = advice.plan
    what = f"{advice.task}, {plan.title} on {visible(advice.model.name)}, {advice.rows:,} usable rows"
    print(f"Wrote {visible(str(out))}: {what}.")
    span = f"{duration(plan.time.low)} to {duration(plan.time.high)} on {visible(advice.device.name)}"
    print(f"  {plan.time.steps:,} steps, about {size(plan.memory.total)} of memory, {span}.")
    if not advice.approach.tunes:
        print(f"! Advice: {advice.approach.title.lower()} first: {advice.approach.reason}.")
    for warning in advice.warnings:
        print(f"! {visible(warning)}")
    print(f"Next: diapason train {visible(str(out))}")
    return 0


def run_fields(args: argparse.Namespace) -> int:
    """List the fields."""
    from core.recipe import fields

    if args.json:
        document = {"schema": 1, "fields": [field.model_dump() for field in fields()]}
        print(json.dumps(document, ensure_ascii=False, indent=2))
    elif args.markdown:
        sys.stdout.write(markdown())
    else:
        print("\n".join(_lines()))
    return 0


def _lines() -> Iterator[str]:
    from core.recipe import fields

    for field in fields():
        yield f"{field.path:<28} {_default(field):<14} {_kind(field)}"
        yield f"    {field.help}" + (f" [{field.source}]" if field.source else "")


def _kind(field: RecipeField) -> str:
    kind = ", ".join(field.choices) if field.choices else field.type
    kind += f", {field.limits}" if field.limits else ""
    return kind + (", or null" if field.optional else "")


def _default(field: RecipeField) -> str:
    if field.default is None:
        return "null"
    if isinstance(field.default, bool):
        return "true" if field.default else "false"
    return "''" if field.default == "" else str(field.default)


def markdown() -> str:
    """The page docs/recipe.md: every field by section."""
    from core.recipe import fields, sections

    rows = [
        "# The recipe",
        "",
        "<!-- Made by `diapason recipe fields --markdown > docs/recipe.md`; a test holds it current. -->",
        "",
        "A recipe is YAML, as `diapason recipe new TRAIN -o run.yaml` and the wizard write it. Every field may be",
        "left out; an unknown field, a wrong value or a field given twice is an error with its line and the nearest",
        "right name. Relative paths start at the recipe's folder. A field is changed for one run with",
        "`diapason train run.yaml --set train.max_steps=20`. Words are read as in YAML 1.2: `no` and `on` are text,",
        "`2e-4` is a number.",
    ]
    held = sections()
    for section in ["", *held]:
        rows += ["", f"## `{section}`" if section else "## Top level", ""]
        rows += [held[section], ""] if section else []
        rows += ["| field | default | values | what it does | source |", "|---|---|---|---|---|"]
        for field in fields():
            if field.path.rpartition(".")[0] == section:
                cells = [
                    f"`{field.path.rpartition('.')[2]}`",
                    f"`{_default(field)}`",
                    _kind(field),
                    field.help,
                    field.source,
                ]
                rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"
