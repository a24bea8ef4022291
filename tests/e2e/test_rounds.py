"""The loop closes: tuned, judged, preferences, DPO on top, evaluated on prompts that no round has seen."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

import core.submit
from core.advisor.write import new_recipe, save_recipe
from core.errors import DiapasonError, UsageError
from core.evaluation.request import specify
from core.files import read_json, read_jsonl
from core.fork import fork
from core.home import runs_dir
from core.judging.desk import Desk
from core.judging.handover import next_round
from core.judging.place import judging_of
from core.judging.preferences import export
from core.judging.results import results
from core.judging.session import load
from core.judging.training import ARMS, handed_on, training_judging, with_prompts
from core.judging.used import used_prompts
from core.judging.votes import read_votes
from core.recipe import load_recipe
from core.resuming import differences
from core.rounds import ancestors, chain, rounds, trained_on
from core.runs.folder import RunFolder
from tests.e2e.test_train import here  # noqa: F401
from tests.runs_help import fake_home
from tests.tiny import make_tiny_model
from tests.training import events, make_job, make_run, verdict

__all__ = ["fake_home"]
pytestmark = pytest.mark.usefixtures("fake_home")
_ID = "01jd0000000000000000000000-voice"


def test_the_loop_closes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: Any) -> None:  # noqa: F811
    # Jobs are run by the engine in this process: the runner has tests of its own.
    monkeypatch.setattr(core.submit, "launch", lambda _: None)
    model = make_tiny_model(tmp_path / "model")
    small: dict[str, Any] = {"lora": {"r": 4, "alpha": 8, "dropout": 0}, "samples": {"count": 0}}
    brief = {"max_steps": 40, "eval_every": 40}
    tuned = RunFolder(make_run(runs_dir() / _ID, model, **small, train=brief, name="voice"))
    assert here(tuned.path) == 0, verdict(tuned.path)
    assert here(make_job(tuned.path, tuned.path / "jobs" / "1-generate", "generate", arms=["base", "tuned"])) == 0

    desk = Desk(tuned.path)
    for number, pair in enumerate(desk.unjudged()):
        if pair.repeat_of is None:
            desk.vote(pair, ["left", "right", "tie", "both_bad"][number % 4])
    desk.close()
    session = load(judging_of(tuned))
    assert session is not None
    found = export(session, read_votes(session), tmp_path / "pairs.jsonl")
    assert 2 <= len(found.rows) < len(session.asked)
    used = used_prompts(tuned.path)
    assert len(used) == len(found.rows)

    # Two drawn answers of the tuned model, to prompts that the test part does not hold.
    judging = training_judging(tuned)
    asked = with_prompts(judging, None, 6)
    job = core.submit.submit_job("generate", tuned, arms=list(ARMS), **asked.request)
    assert here(job.path) == 0, verdict(job.path)
    drawn, _ = read_jsonl(judging.folder / "answers.jsonl")
    assert len(drawn) == 12 and {row["arm"] for row in drawn} == set(ARMS)
    by_arm = [{row["row"]: row["answer"] for row in drawn if row["arm"] == arm} for arm in ARMS]
    assert by_arm[0] != by_arm[1]
    test = {str(row["messages"][0]["content"]) for row in read_jsonl(tuned.path / "data" / "test.jsonl")[0]}
    assert not test & {row["prompt"][0]["content"] for row in drawn}
    desk = Desk(judging)
    for pair in desk.unjudged():
        desk.vote(pair, "left")
    desk.close()
    apart = load(judging)
    assert apart is not None and load(judging_of(tuned)) == session
    assert not handed_on(judging)
    export(apart, read_votes(apart), tmp_path / "drawn.jsonl")
    assert handed_on(judging)
    said = results(apart, read_votes(apart))
    assert "to learn from" in said.headline() and "drawn from one model" in said.meaning()

    handed = next_round(judging, tmp_path / "drawn.jsonl", "dpo")
    assert handed.start == _ID and "few for dpo" in str(handed.warning(6)) and handed.warning(200) is None
    out = tmp_path / "dpo.yaml"
    save_recipe(out, new_recipe(handed.rows, out, start=handed.start).text)
    changes = [
        "train.max_steps=2", "train.micro_batch_size=2", "samples.count=0", "device=cpu", "name=round 2",
        "evaluation.max_new_tokens=6", "evaluation.general=false", "train.learning_rate=0.01",
    ]  # fmt: skip
    recipe = load_recipe(out, changes)
    assert recipe.data.test == str(handed.test)
    assert (recipe.method, recipe.train.epochs, recipe.preference.beta) == ("dpo", 1.0, 0.1)
    assert load_recipe(out).train.learning_rate == 5e-6
    warned: list[str] = []
    second = core.submit.submit(recipe, source=out, changes=changes, warn=warned.append)
    assert any("few for dpo" in line for line in warned)
    # What the start decided does not count as a change of run.yaml.
    assert differences(second).refused == []
    assert here(second.path) == 0, verdict(second.path)
    assert abs(events(second.path, "step")[0]["loss"] - math.log(2)) < 1e-4
    settings = read_json(second.path / "adapter" / "adapter_config.json")
    assert settings["r"] == 4 and settings["base_model_name_or_path"] == str(model)

    # The test part of the first round, without what was judged and handed on.
    (spec,) = second.spec()["then"]
    assert spec["arms"] == ["base", f"run:{_ID}", "tuned"]
    after = core.submit.submit_job("evaluate", second, **{key: spec[key] for key in spec if key != "kind"})
    assert here(after.path) == 0, verdict(after.path)
    result = read_json(second.path / "evaluation" / "result.json")
    assert result["refused"] == len(found.rows) and result["rows"] == 8 - len(found.rows)
    assert [arm["name"] for arm in result["arms"]][-1] == "tuned" and len(result["arms"]) == 3

    assert [run.id for run in ancestors(second)[0]] == [_ID, second.id]
    assert [Path(part["path"]).name for part in trained_on(second)] == ["train.jsonl", "train.jsonl"]
    first, last = rounds(second)
    assert (
        first.decisive == len(found.rows) and first.used == len(used | used_prompts(tuned.path)) and first.rows == 24
    )
    assert last.method == "dpo" and last.value is not None and last.id == second.id
    lines = chain(second)
    assert lines[0].startswith(f"1  {_ID}: 24 rows → lora") and "judged: won" in lines[0] and "dpo" in lines[1]

    # A third round begins with the second; a fork keeps its reference, and both go back to the first.
    doubts: list[str] = []
    third = fork(second, changes=["train.max_steps=1", "evaluation.after_training=false"], warn=doubts.append)
    assert not any("no start" in line for line in doubts)
    assert here(third.path) == 0, verdict(third.path)
    assert [run.id for run in ancestors(third)[0]] == [_ID, second.id, third.id]
    kept, reference = (run.path / "reference" / "adapter_model.safetensors" for run in (third, second))
    assert kept.read_bytes() == reference.read_bytes() == (tuned.adapter / kept.name).read_bytes()
    assert abs(events(third.path, "step")[0]["loss"] - math.log(2)) > 1e-6

    # Whoever removed the start still evaluates what was trained over it, and is told.
    away = tuned.path.rename(tmp_path / "away")
    assert "run:" not in str(specify(second)["arms"]) and chain(second)[0] == f"–  {_ID}: gone"
    with pytest.raises(DiapasonError, match="start: no run is called"):
        core.submit.submit(recipe)
    away.rename(tuned.path)

    with pytest.raises(UsageError, match="begins with whole weights"):
        core.submit.submit(load_recipe(out, [*changes, "method=full", "preference.beta=0.1"]))
    with pytest.raises(DiapasonError, match="no prompt is left"):
        with_prompts(judging, tuned.path / "data" / "test.jsonl", 6)
