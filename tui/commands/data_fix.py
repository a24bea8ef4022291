"""`diapason data fix`: mend a file into a new one, or say what could be mended."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from core.home import expand
from core.text import shorten, visible
from tui.commands.data import NEAR, add_file, amount, near_share, row_number
from tui.damage_view import damage_lines
from tui.format import count

if TYPE_CHECKING:
    from core.data.mend.apply import Result
    from core.data.mend.plan import Plan
    from core.data.mend.row import Change, Mended
    from core.data.report import Report

_SHOWN = 20
_CHANGES = 4
_WIDTH = 60


def register(verbs: Any) -> None:
    """Add the verb."""
    parser = verbs.add_parser("fix", help="mend a file into a new one; the source stays as it is")
    add_file(parser)
    parser.add_argument("-o", "--out", metavar="OUT", help="the new file; a log of all changes is put beside it")
    parser.add_argument(
        "--only", metavar="CODE[:CHOICE],...", help="what to mend, such as zero_width,bad_json:drop; any order"
    )
    parser.add_argument(
        "--all-safe", action="store_true", help="mend all that loses nothing, as the list without options shows"
    )
    parser.add_argument("--dry-run", action="store_true", help="show what would change and write nothing")
    parser.add_argument(
        "--keep", choices=("first", "longest"), default="first", help="which row of a group stays (default: first)"
    )
    parser.add_argument("--roles", metavar="NAME=ROLE,...", help="usual roles for unknown ones (bad_role)")
    parser.add_argument("--model", default="starter", metavar="M", help="model for too_long (default: starter)")
    parser.add_argument("--max-length", type=row_number, metavar="N", help="tokens that rows may have (too_long)")
    parser.add_argument(
        "--near", type=near_share, default=NEAR, metavar="SHARE", help=f"share of near copies (default: {NEAR})"
    )
    parser.add_argument("--against", metavar="FILE2", help="file whose prompts must not be in FILE (leakage)")
    sheet = parser.add_mutually_exclusive_group()
    sheet.add_argument(
        "--worksheet", action="store_true", default=None,
        help="do what was decided in the app; the default where nothing else is named and there are decisions",
    )  # fmt: skip
    sheet.add_argument("--no-worksheet", dest="worksheet", action="store_false", help="leave such decisions alone")
    parser.add_argument("--force", action="store_true", help="replace OUT where it exists; never the source")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run_fix)


def run_fix(args: argparse.Namespace) -> int:
    """Mend, show or list; 1 where errors are left in what was written, or rows of the source are missing."""
    from core.errors import UsageError

    plan = _plan(args)
    if plan is None:
        if args.out or args.dry_run:
            hint = "Give --only CODE,... or --all-safe; without -o the command lists what can be mended."
            raise UsageError("nothing is named to be mended", where="--only", hint=hint)
        return _list(args)
    if not args.out and not args.dry_run:
        raise UsageError("no file to write is named", where="-o", hint="Give -o OUT, or --dry-run to look first.")
    from core.data.mend.apply import mend

    preview = _Preview(quiet=args.json or not args.dry_run)
    out = None if args.dry_run else expand(args.out)
    result = mend(
        args.file, out, plan, format=args.format, map=args.map, near=args.near or None, against=args.against,
        force=args.force, told=preview.told,
    )  # fmt: skip
    if args.json:
        print(json.dumps(_document(result), ensure_ascii=False, indent=2))
    else:
        preview.end()
        print("\n".join(_summary(result, args.file)))
    return 1 if result.damage or not result.rows_after or result.report.reaches("error") else 0


def _plan(args: argparse.Namespace) -> Plan | None:
    """What the options and the worksheet ask for; None where they ask for nothing."""
    from dataclasses import replace

    from core.data.mend.catalogue import all_safe, parse_only
    from core.data.mend.plan import Plan

    fixes = all_safe() if args.all_safe else {}
    if args.only is not None:
        fixes |= parse_only(args.only, args.keep)
    plan = Plan(fixes, roles=_roles(args.roles), model=args.model, max_length=args.max_length)
    named = bool(fixes)
    unsaid = args.worksheet is None and not named and args.file != "-" and (args.out or args.dry_run)
    if args.worksheet or unsaid:
        from core.data.mend.worksheet import read_worksheet
        from core.errors import DiapasonError

        sheet = read_worksheet(expand(args.file))
        if args.worksheet and sheet.is_empty:
            raise DiapasonError(
                sheet.changed or "nothing was decided about this file",
                where=args.file,
                hint="diapason data review FILE goes through its rows; F in the app's data screen mends by kind.",
            )
        if sheet.changed and not args.json:
            print(f"note: {visible(sheet.changed)}", file=sys.stderr)
        if not sheet.is_empty:
            decided = sheet.plan()
            return replace(plan, fixes={**decided.fixes, **fixes}, rows=decided.rows)
    return plan if named else None


def _roles(text: str | None) -> dict[str, str]:
    from core.errors import UsageError

    roles: dict[str, str] = {}
    for part in (text or "").split(","):
        name, equals, role = (piece.strip() for piece in part.partition("="))
        if not part.strip():
            continue
        if not equals or not name or role not in ("system", "user", "assistant", "tool"):
            raise UsageError(f"`{part.strip()[:60]}` is not NAME=ROLE", where="--roles",
                             hint="Roles: system, user, assistant, tool. For example: agent=assistant")  # fmt: skip
        roles[name] = role
    return roles


# -- the list ---------------------------------------------------------------------------------------------


def _list(args: argparse.Namespace) -> int:
    from core.data.place import shown_name
    from core.data.report import check

    model = None
    if args.max_length is not None:
        from core.models import find_model

        model = find_model(args.model)
    report = check(
        args.file, format=args.format, map=args.map, near=args.near or None, against=args.against, model=model,
        max_length=args.max_length,
    )  # fmt: skip
    found = list(_fixable(report))
    rest = sorted({item.code for item in report.findings} - {one["code"] for one in found})
    if args.json:
        document = {"schema": 1, "path": str(report.path), "rows": report.rows_total, "fixes": found, "without": rest}
        print(json.dumps(document, ensure_ascii=False, indent=2))
        return 0
    name = visible(shown_name(report.path))
    print(f"{name} · {report.format or 'unknown format'} · {amount(report.rows_total, 'row')}")
    if not found:
        print("Nothing here can be mended." if report.findings else "No findings.")
        return 0
    print()
    for one in found:
        mark = "safe" if one["safe"] else "    "
        print(f"{mark}  {one['code']:<22} {count(one['count']):>9}  {one['does']}")
    if rest:
        print(f"\nno fix for {', '.join(rest)}")
    print("\nNothing was written. To look first: --only CODE,... --dry-run")
    print("To mend: --all-safe -o OUT, or --only CODE,... -o OUT")
    return 0


def _fixable(report: Report) -> Iterator[dict[str, Any]]:
    """The findings that can be mended, one entry for each code."""
    from core.data.mend.offers import offers

    for offer in offers(report):
        yield {"code": offer.code, "count": offer.count, "choices": list(offer.fix.choices), "safe": offer.safe,
               "scope": offer.fix.scope, "does": offer.fix.does}  # fmt: skip


# -- what was done ----------------------------------------------------------------------------------------


class _Preview:
    """Prints the first changed rows, each with its first changes."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._rows = 0

    def told(self, row: int, line: int, raw: bytes, made: Mended) -> None:
        self._rows += 1
        if self._quiet or self._rows > _SHOWN:
            return
        state = "dropped" if not made.raws else "parted" if len(made.raws) > 1 else "changed"
        print(f"line {line} · row {count(row + 1)} · {state} · {', '.join(made.codes)}")
        if not made.raws:
            print(f"  - {shorten(raw[:1000].decode('utf-8', 'replace'), 2 * _WIDTH)}")
            return
        for change in made.changes[:_CHANGES]:
            for text in diff_lines(change):
                print(f"  {text}")
        if len(made.changes) > _CHANGES:
            print(f"    … and {count(len(made.changes) - _CHANGES)} more changes in this row")

    def end(self) -> None:
        if self._quiet:
            return
        if self._rows > _SHOWN:
            print(f"… and {count(self._rows - _SHOWN)} more rows")
        if self._rows:
            print()


def diff_lines(change: Change) -> Iterator[str]:
    """A change on two lines: what stood there and what will, inert, among the text around it."""
    if change.place:
        yield f"  {shorten(change.place, _WIDTH)}"
    left = visible(change.around[0])
    right = visible(change.around[1])
    yield f"- {left}[{shorten(change.before, _WIDTH)}]{right}"
    yield f"+ {left}[{shorten(change.after, _WIDTH)}]{right}"


def _summary(result: Result, name: str) -> Iterator[str]:
    from core.data.mend.catalogue import FIXES

    for fix, number in sorted(result.fixes.items()):
        known = FIXES.get(fix.partition(":")[0])
        yield f"{fix:<32} {amount(number, 'place' if known and known.scope == 'file' else 'row')}"
    yield from damage_lines(result.damage)
    for note in result.notes:
        yield visible(note)
    if result.stale:
        yield f"{amount(len(result.stale), 'row')} decided on are no longer as they were, and stay as they are"
    totals = f"{amount(result.rows_before, 'row')} before, {count(result.rows_after)} after: " \
             f"{count(result.changed)} changed, {count(result.dropped)} dropped"  # fmt: skip
    yield totals
    report = result.report
    left = [f"{item.code}{f' ({visible(item.detail)})' if item.detail else ''} {count(item.count)}"
            for item in report.findings if item.severity != "note"]  # fmt: skip
    if not result.rows_after:
        yield "left: no row, so this would write nothing"
    else:
        yield "left: " + (", ".join(left) if left else "no errors and no warnings")
    if result.out is None:
        yield f"Nothing was written. {visible(name)} is as it was."
    else:
        yield f"written: {visible(str(result.out))}, and what was done: {visible(str(result.log))}"


def _document(result: Result) -> dict[str, Any]:
    from core.data.findings import damage_json

    report = result.report
    return {
        "schema": 1,
        "out": str(result.out) if result.out else None,
        "log": str(result.log) if result.log else None,
        "rows": {"before": result.rows_before, "after": result.rows_after, "changed": result.changed,
                 "dropped": result.dropped, "added": result.added, "stale": [row + 1 for row in result.stale]},
        "fixes": dict(sorted(result.fixes.items())),
        "notes": result.notes,
        "damage": damage_json(result.damage),
        "left": [{"code": item.code, "detail": item.detail, "severity": item.severity, "count": item.count}
                 for item in report.findings],
    }  # fmt: skip
