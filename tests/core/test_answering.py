"""Answers in batches: what a row is answered with does not depend on the rows beside it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.tiny import make_tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A random model with weights so large that its answers vary."""
    import torch

    from core.engine.loading import load_model

    found = load_model(make_tiny_model(tmp_path_factory.mktemp("model") / "m"), torch.device("cpu"), torch.float32)
    torch.manual_seed(0)
    with torch.no_grad():
        for name, weight in found.named_parameters():
            if "norm" not in name:
                weight.copy_(torch.randn_like(weight) * 0.2)
    return found.eval()


def prompts(count: int) -> list[list[int]]:
    return [
        [0, *((7 * number + 13 * at * at) % 400 + 6 for at in range(1 + number * 5 % 41))] for number in range(count)
    ]


def said(model: Any, rows: list[list[int]], **options: Any) -> dict[int, tuple[list[int], bool]]:
    from core.engine.answering import answers

    options = {"stop_ids": [2], "pad_id": 1, "max_new_tokens": 16, **options}
    return {index: (ids, ended) for batch in answers(model, rows, **options) for index, ids, ended in batch}


def test_one_at_a_time_or_many_at_once_the_answers_are_the_same(model: Any) -> None:
    rows = prompts(40)
    many = said(model, rows, batch_size=32)
    assert many == said(model, rows, batch_size=1) and len(many) == 40
    assert len({tuple(ids) for ids, _ in many.values()}) > 30
    # A token that some answers hold, as a stop: those end before it, by themselves; the others do not.
    stop = many[0][0][5]
    stopped = said(model, rows, batch_size=32, stop_ids=[stop])
    for index, (ids, ended) in stopped.items():
        whole = many[index][0]
        assert ended == (stop in whole) and ids == (whole[: whole.index(stop)] if ended else whole)
    assert {ended for _, ended in stopped.values()} == {True, False}


def test_a_row_near_the_limit_cuts_its_own_answer_only(model: Any) -> None:
    rows = prompts(24)
    limit = max(map(len, rows)) + 4
    many = said(model, rows, batch_size=32, max_positions=limit)
    assert many == said(model, rows, batch_size=1, max_positions=limit)
    assert {len(ids) for ids, ended in many.values() if not ended} > {4, 16}


def test_drawn_answers_are_those_of_their_seed(model: Any) -> None:
    rows = prompts(6)
    drawn = [said(model, rows, temperature=0.8, top_p=0.9, seed=seed) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2] and drawn[0] != said(model, rows)
