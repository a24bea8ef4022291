"""The bench that plants defects finds them all in a small corpus, and says so when it does not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from core.data.findings import CODES

ROOT = Path(__file__).resolve().parent.parent.parent
BENCH = ROOT / "bench" / "mutate.py"


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


def test_every_defect_planted_is_found_at_its_line_and_nothing_else() -> None:
    done = run(str(BENCH), "--planted", "2", "--clean", "60", "--seed", "5", "--show", "20")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line.split()[0] in CODES}
    assert rows.keys() == CODES.keys()
    left_out = {code for code, told in rows.items() if told[:2] == ["not", "planted:"]}
    assert left_out <= {"permission_denied"}
    for code in rows.keys() - left_out:
        planted, recall, precision = rows[code]
        assert int(planted) and (recall, precision) == ("1.000", "1.000"), code


def test_a_check_that_misses_and_one_that_alarms_falsely_are_told() -> None:
    # The same bench with one check taken out, and another that finds what is not there: it must not pass.
    code = (
        "import sys, runpy\n"
        f"sys.path.insert(0, {str(BENCH.parent)!r})\n"
        "sys.argv = ['mutate.py', '--planted', '8', '--clean', '5', '--only', 'special_token,card_incomplete']\n"
        "import core.data.checks.text as text, core.data.report as report\n"
        "from core.data.findings import RowFinding\n"
        "text.check_marks = lambda value, found: None\n"
        "report.check_facts = lambda path: [RowFinding('card_incomplete', 'always')]\n"
        f"runpy.run_path({str(BENCH)!r}, run_name='__main__')\n"
    )
    done = run("-c", code)
    assert done.returncode == 1, done.stdout + done.stderr
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()}
    assert rows["special_token"][1:] == ["0.000", "0.000", "MISSED"]
    assert rows["card_incomplete"][1] == "1.000" and rows["card_incomplete"][3:] == ["MISSED"]
