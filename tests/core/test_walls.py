"""The walls, seen from a clean process: what is loaded when a part of the program is."""

from __future__ import annotations

import subprocess
import sys

import pytest

TORCH_FAMILY = {"torch", "transformers", "peft", "trl", "bitsandbytes", "datasets", "accelerate", "evaluate"}


def loaded_after(code: str) -> set[str]:
    """Top-level and dotted module names in `sys.modules` after `code` ran in a new interpreter."""
    script = f"{code}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "module",
    ["tui.app", "tui.cli", "core.data.report", "core.chat", "core.models", "core.advisor", "core.judging.session",
     "core.submit", "core.doctor", "core.evaluation.result", "core.recipe"],
)  # fmt: skip
def test_torch_stays_in_the_engine(module: str) -> None:
    loaded = loaded_after(f"import {module}")
    assert not loaded & TORCH_FAMILY
    assert not any(name.startswith("core.engine") for name in loaded)


@pytest.mark.parametrize("module", ["core.data.report", "core.submit", "core.doctor", "core.judging.session"])
def test_core_never_loads_textual(module: str) -> None:
    assert not {"textual", "rich", "tui"} & loaded_after(f"import {module}")


@pytest.mark.parametrize("module", ["core.worker.__main__", "core.runs.view", "core.files", "core.home"])
def test_the_runner_is_the_standard_library_alone(module: str) -> None:
    loaded = {name.partition(".")[0] for name in loaded_after(f"import {module}")}
    started_with = {name.partition(".")[0] for name in loaded_after("")}
    assert loaded - started_with - set(sys.stdlib_module_names) <= {"core"}


def test_the_command_line_starts_light() -> None:
    loaded = loaded_after("import tui.cli; tui.cli.build_parser()")
    assert not {"textual", "pydantic", "numpy", "tokenizers", "scipy"} & loaded
