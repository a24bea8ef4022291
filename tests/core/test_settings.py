"""settings.yaml of the home: read at submit, written into the run's spec, overridden by the recipe."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.errors import UsageError
from core.files import read_json
from core.recipe import make_recipe
from core.settings import load_settings, settings_file
from core.submit import submit, submit_job
from tests.runs_help import fake_home, settled, wait
from tests.tiny import make_tiny_model

__all__ = ["fake_home"]
pytestmark = pytest.mark.usefixtures("fake_home")


def write(text: str) -> None:
    settings_file().parent.mkdir(parents=True, exist_ok=True)
    settings_file().write_text(text)


@pytest.mark.parametrize("text", ["", "mirror:\nnotify:\n", "# nothing\n"])
def test_without_settings_the_terminal_rings(text: str) -> None:
    if text:
        write(text)
    found = load_settings()
    assert found.mirror is None and found.notify.model_dump() == {"command": None, "webhook": None, "bell": True}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("miror: /x\n", "settings.yaml:1: unknown field `miror`; did you mean `mirror`?"),
        ("notify:\n  bell: 3\n", "settings.yaml:2: `notify.bell` must be true or false, and not 3"),
        ("notify:\n  webhook: ntfy.sh/x\n", "settings.yaml:2: `notify.webhook` must be an address"),
        ("mirror: [a]\n", "settings.yaml:1: `mirror` must be text"),
        ("notify: yes please\n", "settings.yaml:1: `notify` holds fields"),
        ("- mirror\n", "settings.yaml: "),
        ("mirror: 'x\n", "a quote is not closed"),
    ],
)
def test_errors_name_file_line_and_field(text: str, said: str) -> None:
    write(text)
    with pytest.raises(UsageError) as refused:
        load_settings()
    assert said in str(refused.value)


def test_a_run_keeps_what_was_wanted_of_it(tmp_path: Path) -> None:
    write("mirror: touch {run}/mirrored\nnotify:\n  webhook: http://127.0.0.1:9/x\n  bell: false\n")
    model = make_tiny_model(tmp_path / "tiny")
    train = tmp_path / "voice.jsonl"
    train.write_text(
        "".join(json.dumps({"prompt": f"Where is {n}?", "completion": f"{n} is here."}) + "\n" for n in range(40))
    )
    values = {"model": str(model), "device": "cpu", "data": {"train": str(train)}}
    folder = submit(make_recipe(values))
    spec = folder.spec()
    assert spec["mirror"] == "touch {run}/mirrored" and "notify" not in spec
    assert read_json(folder.notify_file) == {"command": None, "webhook": "http://127.0.0.1:9/x", "bell": False}
    assert [job["mirror"] for job in spec["then"]] == [spec["mirror"]]
    wait(lambda: settled(folder))
    assert (folder.path / "mirrored").exists()
    off = submit(make_recipe({**values, "mirror": "off"}))
    assert off.spec()["mirror"] is None
    wait(lambda: settled(off))
    warned: list[str] = []
    own = submit(make_recipe({**values, "mirror": "true {run}"}), warn=warned.append)
    assert own.spec()["mirror"] == "true {run}" and "this command run after each checkpoint" in warned[-1]
    wait(lambda: settled(own))
    job = submit_job("evaluate", own)
    assert job.spec()["mirror"] == "true {run}"
    wait(lambda: settled(job))
