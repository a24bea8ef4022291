"""Which trackers a run reports to, and that a missing package is told of at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from core import reporting
from core.errors import UsageError
from core.recipe import change_recipe, make_recipe
from core.reporting import install_line, trackers_of


@pytest.mark.parametrize(
    ("written", "kept"),
    [(None, None), ("none", []), ([], []), ("wandb", ["wandb"]), ("tensorboard, trackio", ["tensorboard", "trackio"]),
     (["none", "wandb"], ["wandb"])],
)  # fmt: skip
def test_one_or_several_or_none(written: object, kept: list[str] | None) -> None:
    assert make_recipe({"report_to": written}).report_to == kept


def test_a_wrong_name_is_told() -> None:
    with pytest.raises(UsageError, match="did you mean `wandb`"):
        change_recipe(make_recipe({}), ["report_to=wnadb"])


def test_the_recipe_comes_before_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tensorboard", "wandb"):
        (tmp_path / "packages" / name).mkdir(parents=True)
        (tmp_path / "packages" / name / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))
    assert trackers_of(None, ["wandb", "wandb"]) == ["wandb"] and trackers_of(None, None) == []
    assert trackers_of([], ["wandb"]) == [] and trackers_of(["tensorboard"], ["wandb"]) == ["tensorboard"]


def test_a_missing_package_names_the_line_that_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The folders that trackers write to are no packages.
    (tmp_path / "nottrackio").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UsageError, match="report_to names nottrackio, which is not installed") as refused:
        trackers_of(["nottrackio"], None)
    assert "install nottrackio`, or `report_to: none`" in str(refused.value.hint)
    with pytest.raises(UsageError, match="nottrackio and notwandb, which are not"):
        trackers_of(None, ["nottrackio", "notwandb"])


def test_the_line_fits_how_diapason_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    place = "/home/anna/.local/share/pipx/venvs/diapason"
    assert install_line(["wandb"], f"{place}/bin/python", place) == "pipx inject diapason wandb"
    monkeypatch.setattr(reporting.importlib.util, "find_spec", lambda name: None)
    uv = "/home/anna s/uv/tools/diapason"
    assert install_line(["a", "b"], f"{uv}/bin/python", uv) == f"uv pip install --python '{uv}/bin/python' a b"
    monkeypatch.setattr(reporting.importlib.util, "find_spec", lambda name: object())
    assert install_line(["a"], "/x/bin/python", "/x") == "/x/bin/python -m pip install a"
