"""A metric of the person's own, from a Python file.

Either the file has ``score(prediction: str, reference: str) -> float``, called once a row (of several references the
best score counts), or one class that is an ``evaluate.Metric``, called with all rows. It may say
``higher_is_better = False`` and ``label = "…"``. It runs with the rights of whoever names it.
"""

from __future__ import annotations

import importlib.util
import inspect
import math
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from core.errors import DiapasonError, UsageError
from core.evaluation.metrics import Floats, References, Table, all_references, mean_table

RESAMPLES = 1000
"""Of an evaluate.Metric: fewer, as it computes anew for each of them."""
_HINT = "The file has score(prediction, reference) -> float, or a class that is an evaluate.Metric."


class OwnMetric:
    """The metric in the file `path`.

    Raises:
        UsageError: there is no such file, it cannot be imported, or it holds no metric.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._module = _import(path)
        score = getattr(self._module, "score", None)
        classes = _metric_classes(self._module)
        if callable(score):
            _check_signature(score, path)
        elif len(classes) != 1:
            told = "it has several classes that are metrics" if classes else "it holds no metric"
            raise UsageError(told, where=str(path), hint=_HINT)
        self._score: Callable[..., Any] | None = score if callable(score) else None
        self._class: Any = None if callable(score) else classes[0]
        self.label = str(getattr(self._module, "label", path.stem))
        self.higher_is_better = bool(getattr(self._module, "higher_is_better", True))

    @property
    def definition(self) -> str:
        """The first line of the file's docstring, or where it is."""
        about = inspect.cleandoc(self._module.__doc__ or "").split("\n")[0]
        return about or f"the metric in {self.path.name}"

    def tables(self, predictions: Sequence[str], references: References) -> dict[str, Table]:
        """Its figures by their names: "" for the only one, else as the evaluate.Metric calls them.

        Raises:
            DiapasonError: it raises, or gives no number.
        """
        rows = all_references(references)
        if self._score is not None:
            return {"": mean_table([self._best(said, rows[at], at) for at, said in enumerate(predictions)])}
        return self._metric_tables(list(predictions), rows)

    def _best(self, said: str, wanted: list[str], row: int) -> float:
        assert self._score is not None
        found: list[float] = []
        for text in wanted:
            try:
                value = self._score(said, text)
            except Exception as error:
                raise self._told(error, f" on answer {row + 1}") from error
            if isinstance(value, bool | np.bool_):
                value = float(value)
            if not isinstance(value, int | float | np.number) or not math.isfinite(value):
                raise DiapasonError(
                    f"score gave {_short(value)} for answer {row + 1}, not a finite number", where=str(self.path)
                )
            found.append(float(value))
        return max(found) if self.higher_is_better else min(found)

    def _metric_tables(self, predictions: list[str], rows: list[list[str]]) -> dict[str, Table]:
        several = any(len(row) > 1 for row in rows)
        references: list[Any] = rows if several else [row[0] for row in rows]
        try:
            with tempfile.TemporaryDirectory() as scratch:
                metric = self._class(keep_in_memory=True, cache_dir=scratch)
                whole = _numbers(metric.compute(predictions=predictions, references=references))
        except Exception as error:
            raise self._told(error, "") from error
        if not whole:
            raise DiapasonError("compute gives no finite number", where=str(self.path), hint=_HINT)
        texts, wanted = np.asarray(predictions, object), np.empty(len(rows), object)
        wanted[:] = references

        def combine(name: str) -> Callable[[Floats], Floats]:
            def scores(counts: Floats) -> Floats:
                return np.asarray([self._of_draw(metric, line, texts, wanted, name) for line in counts], np.float64)

            return scores

        # A row's figures are which row it is: the sums of a draw then say how often each was drawn.
        ones = np.eye(len(predictions))
        single = len(whole) == 1
        return {"" if single else name: Table(ones, combine(name), resamples=RESAMPLES) for name in whole}

    def _of_draw(self, metric: Any, counts: Floats, texts: Any, wanted: Any, name: str) -> float:
        drawn = np.repeat(np.arange(len(texts)), counts.round().astype(int))
        try:
            found = _numbers(metric._compute(predictions=list(texts[drawn]), references=list(wanted[drawn])))
        except Exception as error:
            raise self._told(error, " on a resample of the rows") from error
        return found.get(name, math.nan)

    def _told(self, error: BaseException, where: str) -> DiapasonError:
        return DiapasonError(f"this metric fails{where}: {_words(error)}", where=_place(self.path, error))


def _import(path: Path) -> ModuleType:
    if not path.is_file():
        raise UsageError("there is no such file", where=str(path), hint=_HINT)
    spec = importlib.util.spec_from_file_location(f"diapason_own_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UsageError("this is no Python file", where=str(path), hint=_HINT)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise UsageError(f"this metric cannot be imported: {_words(error)}", where=_place(path, error)) from error
    return module


def _metric_classes(module: ModuleType) -> list[Any]:
    # Who defines an evaluate.Metric has imported evaluate; nobody else pays for it.
    base = getattr(sys.modules.get("evaluate"), "Metric", None)
    if base is None:
        return []
    found = [item for item in vars(module).values() if isinstance(item, type) and issubclass(item, base)]
    return [item for item in found if item.__module__ == module.__name__]


def _check_signature(score: Callable[..., Any], path: Path) -> None:
    try:
        inspect.signature(score).bind("", "")
    except TypeError as error:
        line = getattr(getattr(score, "__code__", None), "co_firstlineno", None)
        raise UsageError(
            "score does not take (prediction, reference)", where=f"{path}:{line}" if line else str(path), hint=_HINT
        ) from error
    except ValueError:
        return


def _numbers(found: Any) -> dict[str, float]:
    if not isinstance(found, dict):
        return {}
    numbers = {str(name): value for name, value in found.items() if isinstance(value, int | float | np.number)}
    return {name: float(value) for name, value in numbers.items() if math.isfinite(value)}


def _place(path: Path, error: BaseException) -> str:
    """``file:line`` of the last line of the person's file that the error went through."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"{path}:{error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f"{path}:{lines[-1]}" if lines else str(path)


def _words(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return error.msg
    told = " ".join(str(error).split())[:200]
    return f"{type(error).__name__}: {told}" if told else type(error).__name__


def _short(value: Any) -> str:
    return repr(value)[:60]
