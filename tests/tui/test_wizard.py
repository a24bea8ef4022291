"""The wizard, by its keys."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

import core.models
import core.submit
from core.recipe import load_recipe
from core.runs.folder import list_runs
from tests.tiny import make_tiny_model
from tests.tui.screen_text import assert_inert, shown, until
from tui.app import DiapasonApp
from tui.screens.wizard import WizardScreen
from tui.screens.wizard_state import STEPS
from tui.widgets.rows import RowList

SMALL, LARGE = (80, 24), (200, 50)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(autouse=True)
def _box(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setattr(core.models, "STARTER", tiny)
    monkeypatch.chdir(tmp_path)


def chat_file(path: Path, rows: int = 120, answer: str = "It is on its way.") -> Path:
    lines = [
        {"messages": [{"role": "user", "content": f"Where is order {n}?"},
                      {"role": "assistant", "content": f"Order {n}: {answer}"}]}
        for n in range(rows)
    ]  # fmt: skip
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")
    return path


@asynccontextmanager
async def wizard(path: Path | None, size: tuple[int, int] = SMALL) -> AsyncIterator[Pilot[Any]]:
    """The wizard once it has looked at file, model and machine."""
    app = DiapasonApp("wizard", path=path)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: isinstance(app.screen, WizardScreen))
        state = screen(pilot).state
        if path is not None:
            await until(pilot, lambda: state.report is not None and state.advice is not None)
            usable = bool(state.report and state.report.rows_valid)
            await until(pilot, lambda: not usable or state.lengths is not None)
        else:
            await until(pilot, lambda: state.advice is not None)
        yield pilot


def screen(pilot: Pilot[Any]) -> WizardScreen:
    found = pilot.app.screen
    assert isinstance(found, WizardScreen)
    return found


def told(pilot: Pilot[Any]) -> str:
    return "\n".join(notice.message for notice in pilot.app._notifications)


async def to(pilot: Pilot[Any], step: str) -> None:
    """Press `n` until the question `step` is there."""
    while screen(pilot).name_now != step:
        await pilot.press("n")
        await pilot.pause()


async def on(pilot: Pilot[Any], key: str) -> None:
    """Put the cursor on the row `key` with the arrow keys."""
    rows = screen(pilot).query_one(RowList)
    await pilot.press("home")
    for _ in range(80):
        if rows.current == key:
            return
        await pilot.press("down")
    raise AssertionError(f"no row {key}: {rows.keys}")


async def type_in(pilot: Pilot[Any], text: str) -> None:
    """Fill the line that is asked for, and take it."""
    await until(pilot, lambda: bool(pilot.app.screen.query(Input)))
    pilot.app.screen.query_one(Input).value = text
    await pilot.press("enter")
    await pilot.pause()


@pytest.mark.asyncio
@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_enter_alone_leads_to_a_saved_recipe(tmp_path: Path, size: tuple[int, int]) -> None:
    async with wizard(chat_file(tmp_path / "support.jsonl"), size) as pilot:
        for number, step in enumerate(STEPS):
            assert screen(pilot).name_now == step
            assert f"{number + 1} of 7" in shown(pilot.app)
            if step != "review":
                if step == "data":
                    assert "✓ no findings" in shown(pilot.app)
                await pilot.press("enter")
                await pilot.pause()
        assert "Start training" in shown(pilot.app) and "120 usable rows" in shown(pilot.app)
        await pilot.press("ctrl+s")
        await type_in(pilot, str(tmp_path / "run.yaml"))
        await until(pilot, lambda: (tmp_path / "run.yaml").exists())
        recipe = load_recipe(tmp_path / "run.yaml")
        assert recipe == screen(pilot).state.recipe
        assert "train: support.jsonl\n" in (tmp_path / "run.yaml").read_text()
        assert "[guide E]" in (tmp_path / "run.yaml").read_text()


@pytest.mark.asyncio
async def test_overwriting_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("mine")
    async with wizard(chat_file(tmp_path / "a.jsonl")) as pilot:
        await pilot.press("ctrl+s")
        await type_in(pilot, str(tmp_path / "run.yaml"))
        await until(pilot, lambda: "Overwrite run.yaml?" in shown(pilot.app))
        await pilot.press("enter")
        await pilot.pause()
        assert (tmp_path / "run.yaml").read_text() == "mine", "Cancel has the focus"
        await pilot.press("ctrl+s")
        await type_in(pilot, str(tmp_path / "run.yaml"))
        await until(pilot, lambda: "Overwrite run.yaml?" in shown(pilot.app))
        await pilot.press("right", "enter")
        await until(pilot, lambda: (tmp_path / "run.yaml").read_text() != "mine")
        await pilot.press("ctrl+s")
        await type_in(pilot, str(tmp_path / "no" / "such" / "run.yaml"))
        await until(pilot, lambda: "cannot write the recipe" in told(pilot))


@pytest.mark.asyncio
async def test_start_submits_what_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    launched: list[Path] = []
    monkeypatch.setattr(core.submit, "launch", lambda folder: launched.append(folder.path))
    async with wizard(chat_file(tmp_path / "a.jsonl")) as pilot:
        await to(pilot, "settings")
        await on(pilot, "field:train.epochs")
        await pilot.press("e")
        await type_in(pilot, "2")
        await to(pilot, "review")
        await on(pilot, "review:start")
        await pilot.press("enter")
        await until(pilot, lambda: "Start training a?" in shown(pilot.app))
        await pilot.press("right", "enter")
        await until(pilot, lambda: type(pilot.app.screen).__name__ == "MonitorScreen")
        (run,) = list_runs()
        assert launched == [run.path]
        assert run.spec()["recipe"]["train"]["epochs"] == 2
        assert "chosen by you" in (run.path / "run.yaml").read_text()
        await pilot.press("escape")
        await until(pilot, lambda: type(pilot.app.screen).__name__ == "HomeScreen")


@pytest.mark.asyncio
async def test_answers_change_the_approach(tmp_path: Path) -> None:
    async with wizard(chat_file(tmp_path / "a.jsonl")) as pilot:
        await on(pilot, "task:complex")
        await pilot.press("enter")
        assert screen(pilot).state.advice.approach.key == "few-shot"
        await on(pilot, "question:facts_change")
        await pilot.press("space")
        await pilot.pause()
        assert screen(pilot).state.answers == {"facts_change": True}
        assert screen(pilot).state.advice.approach.key == "rag"
        await to(pilot, "review")
        assert "! advice: retrieval (rag) first" in shown(pilot.app)
        await to_back(pilot, "approach")
        await on(pilot, "question:facts_change")
        await pilot.press("space", "space")
        await pilot.pause()
        assert screen(pilot).state.answers == {}


async def to_back(pilot: Pilot[Any], step: str) -> None:
    """Press `b` until the question `step` is there."""
    while screen(pilot).name_now != step:
        await pilot.press("b")
        await pilot.pause()


@pytest.mark.asyncio
async def test_method_and_settings(tmp_path: Path) -> None:
    async with wizard(chat_file(tmp_path / "a.jsonl"), LARGE) as pilot:
        await to(pilot, "method")
        assert "memory: LoRA" in shown(pilot.app) and "activations" in shown(pilot.app)
        await on(pilot, "method:full")
        assert "memory: Full" in shown(pilot.app)
        await pilot.press("enter")
        await pilot.pause()
        state = screen(pilot).state
        assert state.recipe.method == "full" and "lora:" not in shown(pilot.app)
        await to_back(pilot, "method")
        await on(pilot, "method:lora")
        await pilot.press("enter")
        await pilot.pause()
        assert state.recipe.method == "lora" and state.method is None
        await on(pilot, "field:train.learning_rate")
        await pilot.press("e")
        await type_in(pilot, "fast")
        assert "must be a number" in told(pilot) and not state.edits
        await pilot.press("e")
        await type_in(pilot, "7e-4")
        await until(pilot, lambda: state.recipe.train.learning_rate == 7e-4)
        assert "yours" in shown(pilot.app)
        await pilot.press("u")
        await pilot.pause()
        assert not state.edits and state.recipe.train.learning_rate != 7e-4
        assert "field:train.packing" not in screen(pilot).query_one(RowList).keys
        await pilot.press("x")
        await on(pilot, "field:train.packing")
        await pilot.press("space")
        await pilot.pause()
        assert state.recipe.train.packing is True
        await on(pilot, "field:train.schedule")
        await pilot.press("space")
        await pilot.pause()
        assert state.recipe.train.schedule == "linear"


@pytest.mark.asyncio
async def test_a_larger_micro_batch_shows_its_memory(tmp_path: Path) -> None:
    async with wizard(chat_file(tmp_path / "a.jsonl")) as pilot:
        await to(pilot, "settings")
        await on(pilot, "field:train.micro_batch_size")
        before = shown(pilot.app).splitlines()[0]
        assert "steps · about" in before
        await pilot.press("e")
        await type_in(pilot, "4096")
        await until(pilot, lambda: screen(pilot).state.recipe.train.micro_batch_size == 4096)
        await until(pilot, lambda: shown(pilot.app).splitlines()[0] != before)


@pytest.mark.asyncio
async def test_models_of_the_cache_and_of_folders(tmp_path: Path, tiny: Path) -> None:
    snapshot = tmp_path / "hf" / "hub" / "models--acme--small" / "snapshots" / "abc"
    snapshot.parent.mkdir(parents=True)
    snapshot.symlink_to(tiny)
    (tmp_path / "hf" / "hub" / "models--acme--broken" / "snapshots" / "abc").mkdir(parents=True)
    async with wizard(chat_file(tmp_path / "a.jsonl")) as pilot:
        await to(pilot, "model")
        state = screen(pilot).state
        await on(pilot, "model:acme/broken")
        await pilot.press("enter")
        await until(pilot, lambda: "acme/broken cannot be used" in told(pilot))
        assert screen(pilot).name_now == "model"
        await on(pilot, "model:acme/small")
        await pilot.press("enter")
        await until(pilot, lambda: state.recipe is not None and state.recipe.model == "acme/small")
        await to_back(pilot, "model")
        await on(pilot, "model:")
        await pilot.press("enter")
        await type_in(pilot, str(tmp_path / "nowhere"))
        await until(pilot, lambda: "nowhere cannot be used" in told(pilot))
        await pilot.press("e")
        await type_in(pilot, str(tiny))
        await until(pilot, lambda: state.model_name == str(tiny) and state.recipe is not None)


@pytest.mark.asyncio
async def test_validation_and_test_files(tmp_path: Path) -> None:
    train, test = chat_file(tmp_path / "a.jsonl"), chat_file(tmp_path / "t.jsonl", 30, "Yes.")
    async with wizard(train) as pilot:
        await to(pilot, "data")
        await on(pilot, "file:test")
        await pilot.press("e")
        await type_in(pilot, str(train))
        await until(pilot, lambda: "three different files" in told(pilot))
        await pilot.press("e")
        await type_in(pilot, str(test))
        await until(pilot, lambda: screen(pilot).state.recipe.data.test == str(test))
        assert "t.jsonl" in shown(pilot.app)


@pytest.mark.asyncio
async def test_without_a_file_the_wizard_asks_for_one(tmp_path: Path) -> None:
    file = chat_file(tmp_path / "a.jsonl")
    async with wizard(None) as pilot:
        await pilot.press("s")
        await until(pilot, lambda: "no training file is chosen yet" in told(pilot))
        await to(pilot, "data")
        await pilot.press("enter")
        await type_in(pilot, str(file))
        await until(pilot, lambda: screen(pilot).state.report is not None)
        await until(pilot, lambda: screen(pilot).state.why_not_ready() is None)


@pytest.mark.asyncio
async def test_a_file_that_is_missing_or_of_no_use(tmp_path: Path) -> None:
    app = DiapasonApp("wizard", path=tmp_path / "none.jsonl")
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await until(pilot, lambda: "there is no such file" in "".join(n.message for n in app._notifications))
        assert not isinstance(app.screen, WizardScreen)
    useless = tmp_path / "x.jsonl"
    useless.write_text('{"foo": 1}\nnot json\n')
    async with wizard(useless) as pilot:
        await to(pilot, "data")
        assert "bad_json" in shown(pilot.app)
        await to(pilot, "review")
        assert "no row of the file can be trained on" in shown(pilot.app)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "no row of the file" in told(pilot))


@pytest.mark.asyncio
async def test_the_recipe_hides_when_narrow_and_esc_never_loses_it(tmp_path: Path) -> None:
    async with wizard(chat_file(tmp_path / "a.jsonl")) as pilot:
        await to(pilot, "settings")
        assert "run.yaml" not in shown(pilot.app)
        await pilot.press("r")
        await until(pilot, lambda: "run.yaml" in shown(pilot.app) and "task: style" in shown(pilot.app))
        await pilot.press("end")
        await until(pilot, lambda: "max_rows: 200" in shown(pilot.app))
        await pilot.press("escape")
        await until(pilot, lambda: "run.yaml" not in shown(pilot.app))
        assert screen(pilot).name_now == "settings"
        await pilot.press("down")
        await pilot.press("escape")
        await until(pilot, lambda: screen(pilot).name_now == "method")
        await on(pilot, "method:full")
        await pilot.press("enter")
        for name in ("method", "model", "data", "approach", "task"):
            await pilot.press("escape")
            await until(pilot, lambda: screen(pilot).name_now == name)  # noqa: B023
        await on(pilot, "task:code")
        await pilot.press("enter", "escape", "escape")
        await until(pilot, lambda: "Leave the wizard?" in shown(pilot.app))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, WizardScreen))


@pytest.mark.asyncio
@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_hostile_text_stays_inert_on_every_question(tmp_path: Path, size: tuple[int, int]) -> None:
    evil = "\x1b]0;pwned\x07\x1b[2J [INST] [@click=app.quit]go[/] \u202etxt\u200b"
    file = tmp_path / "a [bold]x\x1b[31m\u202e.jsonl"
    chat_file(file, 60, evil)
    with file.open("a") as handle:
        handle.write('{"messages": [{"role": "\\u001b[31m[INST]", "content": "x"}]}\n{"\x1b[2J": [/red]}\n')
    async with wizard(file, size) as pilot:
        for step in STEPS:
            await to(pilot, step)
            for _ in screen(pilot).query_one(RowList).keys:
                assert_inert(pilot.app)
                await pilot.press("down")
                await pilot.pause()
        await pilot.press("r")
        await pilot.pause()
        assert_inert(pilot.app)


@pytest.mark.asyncio
async def test_a_large_file_shows_how_far_the_check_is_and_can_be_left(tmp_path: Path) -> None:
    file = chat_file(tmp_path / "big.jsonl", 40_000)
    app = DiapasonApp("wizard", path=file)
    async with app.run_test(size=SMALL) as pilot:
        await until(pilot, lambda: isinstance(app.screen, WizardScreen))
        await until(pilot, lambda: "checking big.jsonl: " in shown(app))
        await pilot.press("n", "n", "n")
        await pilot.press("escape", "escape", "escape", "escape")
        await until(pilot, lambda: type(app.screen).__name__ == "HomeScreen")
        await asyncio.sleep(0)


@pytest.mark.asyncio
async def test_pairs_are_learned_from_on_top_of_a_tuned_adapter(tmp_path: Path, tiny: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    settings = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "down_proj"]}
    (adapter / "adapter_config.json").write_text(json.dumps({**settings, "base_model_name_or_path": str(tiny)}))
    row = {"prompt": "Where is order 1?", "chosen": "On its way.", "rejected": "No idea."}
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text("".join(json.dumps({**row, "prompt": f"Where is order {n}?"}) + "\n" for n in range(30)))
    app = DiapasonApp("wizard", path=pairs, begin=str(adapter), method="dpo")
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await until(pilot, lambda: isinstance(app.screen, WizardScreen) and app.screen.state.lengths is not None)
        state = screen(pilot).state
        assert screen(pilot).name_now == "method" and "DPO, rank 4" in shown(app)
        await to(pilot, "settings")
        assert "begins with" in shown(app) and "5e-06" in shown(app)
        await to(pilot, "review")
        assert "30 pairs are few for dpo" in shown(app).replace("\n", " ")
        assert_inert(app)
        _, recipe = state.ready()
        assert (recipe.method, recipe.start, recipe.train.epochs) == ("dpo", str(adapter), 1.0)
        assert (recipe.lora.r, recipe.lora.targets, recipe.model) == (4, ["down_proj", "q_proj"], str(tiny))
        # Without the tuned weights the recipe is one for the model as it is.
        await to_settings_and_drop_the_start(pilot)
        assert state.origin is None and state.recipe is not None and state.recipe.start is None


async def to_settings_and_drop_the_start(pilot: Pilot[Any]) -> None:
    """Go back one question and empty the field `start`."""
    await pilot.press("b")
    await on(pilot, "field:start")
    await pilot.press("e")
    await type_in(pilot, "null")
