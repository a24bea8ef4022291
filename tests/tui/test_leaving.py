"""Leaving a screen ends the unpacking of its data at once."""

from __future__ import annotations

import gzip
import json
import random
import time
from pathlib import Path

import pytest

from core.data import unpack
from core.data.spool import Spool
from tests.tui.screen_text import until
from tui.app import DiapasonApp


@pytest.mark.parametrize("name", ["browse", "review", "mend"])
async def test_a_packed_file_is_not_unpacked_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))
    draw = random.Random(0)
    path = tmp_path / "data.jsonl.gz"
    row = lambda: {"prompt": draw.randbytes(400).hex(), "completion": "x"}  # noqa: E731
    path.write_bytes(gzip.compress("".join(json.dumps(row()) + "\n" for _ in range(3000)).encode(), 1))
    monkeypatch.setattr(unpack, "_READ", 1 << 12)
    monkeypatch.setattr(unpack, "_WRITE", 1 << 12)
    written, write = [0], Spool.write

    def slowly(spool: Spool, data: bytes) -> None:
        if type(spool) is Spool:
            written[0] += 1
            time.sleep(0.02)
        write(spool, data)

    monkeypatch.setattr(Spool, "write", slowly)
    app = DiapasonApp(name, path=path)
    async with app.run_test() as pilot:
        await until(pilot, lambda: written[0] > 3)
    time.sleep(0.2)
    after = written[0]
    time.sleep(0.4)
    assert after < 200 and written[0] <= after, (after, written)
