"""Pictures for the README, from the real screens over the demo's run: `make screenshots`.

Needs a home in which `diapason demo` has ended (DIAPASON_HOME, else the usual one); no vote is cast.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.data.dataset import open_dataset
from core.runs.folder import find_run
from core.starter import sample
from tui.app import DiapasonApp

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "docs" / "img"
SIZE = (118, 36)


async def picture(name: str, start: str, keys: tuple[str, ...], ready: Callable[[Any], bool], **kwargs: Any) -> None:
    """Open the screen `start`, press `keys` once it is `ready`, and write ``<name>.svg``."""
    app = DiapasonApp(start, **kwargs)
    async with app.run_test(size=SIZE) as pilot:
        for _ in range(600):
            await pilot.pause(0.05)
            if ready(app.screen):
                break
        for key in keys:
            await pilot.press(key)
            await pilot.pause(0.2)
        await app.workers.wait_for_complete()
        await pilot.pause(0.5)
        # The checkout's own place is nobody's business.
        drawn = app.export_screenshot(title="diapason").replace(f"{ROOT}/", "~/diapason/")
        (OUT / f"{name}.svg").write_text(drawn, "utf-8")
    print(OUT / f"{name}.svg")


def _trained(screen: Any) -> bool:
    shown = getattr(screen, "shown", None)
    return shown is not None and shown.final


async def main() -> None:
    """All pictures, over a copy of the judgements, so that the run stays as it is."""
    OUT.mkdir(exist_ok=True)
    run = find_run("demo")
    data = sample("flawed.jsonl")
    await picture("home", "home", (), lambda screen: True)
    await picture("monitor", "monitor", (), _trained, run=run)
    await picture("browse", "browse", ("t",), lambda screen: True, path=data)
    await picture(
        "wizard", "wizard", ("enter", "enter", "enter", "enter"), lambda screen: True, path=sample("support_en.jsonl")
    )
    await picture(
        "numbers", "stats", (), lambda screen: screen.stats is not None, path=sample("support_en.jsonl"),
        dataset=open_dataset(sample("support_en.jsonl")), model="starter", max_length=64,
    )  # fmt: skip
    await picture("evaluation", "evaluation", (), lambda screen: True, run=run)
    with tempfile.TemporaryDirectory() as place:
        copy = Path(shutil.copytree(run.path, Path(place) / run.id))
        await picture("judge", "judge", (), lambda screen: True, run=copy)


if __name__ == "__main__":
    asyncio.run(main())
