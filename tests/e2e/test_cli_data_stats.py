"""`diapason data stats`, `card` and `check --report`, as a person calls them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EVIL = "[bold]x[/] \x1b]52;c;eA==\x07 | <script>"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.jsonl"
    rows = [{"text": f"Where is parcel {n}?", "label": EVIL if n % 4 else "ok"} for n in range(40)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def run(tmp_path: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "DIAPASON_HOME": str(tmp_path / "home"), "COLUMNS": "80"}
    command = [sys.executable, "-m", "tui", "data", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=120)


def test_stats_show_labels_inert_and_slices(tmp_path: Path, data: Path) -> None:
    done = run(tmp_path, "stats", data, "--by", "label")
    assert done.returncode == 0 and "\x1b" not in done.stdout and "40 rows" in done.stdout
    assert "mean characters" in done.stdout and max(map(len, done.stdout.splitlines())) <= 80
    document = json.loads(run(tmp_path, "stats", data, "--json").stdout)
    assert document["schema"] == 1 and sum(document["labels"].values()) == 40
    assert run(tmp_path, "stats", data, "--by", "nope").returncode == 2
    assert run(tmp_path, "stats", tmp_path / "none.jsonl").returncode == 1


def test_a_card_is_made_filled_in_and_replaced_only_by_force(tmp_path: Path, data: Path) -> None:
    out = tmp_path / "card.md"
    assert run(tmp_path, "card", data, "-o", out).returncode == 0
    assert "\x1b" not in out.read_text() and "not filled in" in out.read_text() and "\\<script\\>" in out.read_text()
    assert run(tmp_path, "card", data, "-o", out).returncode == 2
    assert run(tmp_path, "card", data, "--init").returncode == 0
    assert (tmp_path / "data.jsonl.card.yaml").is_file()
    assert "not filled in: source" in run(tmp_path, "check", data).stdout
    assert run(tmp_path, "card", data, "-o", out, "--force").returncode == 0


def test_a_check_writes_its_report(tmp_path: Path, data: Path) -> None:
    out = tmp_path / "report.md"
    done = run(tmp_path, "check", data, "--report", out)
    assert done.returncode == 0 and "too_few_rows" in out.read_text() and "## Findings" in out.read_text()
    assert run(tmp_path, "check", data, "--report", tmp_path / "no" / "report.md").returncode == 2


def test_why_a_finding_matters_is_said_everywhere(tmp_path: Path, data: Path) -> None:
    out = tmp_path / "report.md"
    done = run(tmp_path, "check", data, "--report", out)
    found = json.loads(run(tmp_path, "check", data, "--json").stdout)["findings"]
    assert found and all(finding["why"] in done.stdout for finding in found)
    assert all(finding["why"] in out.read_text() for finding in found)
    assert "\x1b" not in done.stdout
