"""Judgings of files of answers, kept under a name of their own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from core.errors import DiapasonError, UsageError
from core.files import write_atomic
from core.judging.answer_files import AnswerFiles, read_answer_files
from core.judging.locks import refuse_while_judged, session_lock
from core.judging.place import Judging, judgings_dir, named_judging
from core.judging.session import load, prepare
from core.settings import load_settings


def begin(paths: Sequence[Path], name: str | None = None, *, count: int | None = None, new: bool = False) -> Judging:
    """The judging of the answers in `paths`, begun where there is none of that name yet.

    The answers are copied into the judging's folder, so that later changes of the files alter nothing.

    Args:
        name: None: made of the files' names.
        count: pairs to ask about.
        new: begin anew where there is one; its session is kept aside.

    Raises:
        UsageError: where the files do not fit together, the name cannot be one, or the judging of that name
            compares other answers.
        DiapasonError: where it cannot be written, or someone is judging while `new` is asked for.
    """
    from core.runs.folder import list_runs, slug

    found = read_answer_files(paths)
    if name is None:
        # Long names lose their end; two judgings that would share one are told apart by --name.
        name = slug("-".join(path.stem for path in paths))
    judging = named_judging(name)
    if not judging.begun and any(run.name.casefold() == name or run.id == name for run in list_runs()):
        raise UsageError(f"a run is called `{name}`", hint="Give the judging another name: --name NAME.")
    repeats = load_settings().judging.repeats
    with session_lock(judging.folder):
        session = load(judging) if judging.begun and not new else None
        if session is not None:
            if [file["sha256"] for file in session.files] != [file["sha256"] for file in found.files]:
                raise UsageError(
                    f"the judging `{name}` compares other answers",
                    hint=f"Choose another name with --name, begin anew with --new, or go on: `{judging.command}`.",
                )
        else:
            refuse_while_judged(judging.folder)
            _write(judging, found)
        names = {arm: arm for arm in found.arms}
        prepare(judging, count, new=new and judging.begun, repeats=repeats, names=names, files=found.files)
    return judging


def _write(judging: Judging, found: AnswerFiles) -> None:
    lines = (json.dumps(row, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n" for row in found.rows)
    try:
        judgings_dir().mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(judging.folder / "answers.jsonl", b"".join(lines))
    except OSError as error:
        raise DiapasonError(f"cannot be written: {error.strerror}", where=str(judging.folder)) from error
