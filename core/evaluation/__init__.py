"""Measure a tuned model beside its base on rows that it has not seen."""

from core.evaluation.result import METRICS, EvaluationResult, read_result

__all__ = ["METRICS", "EvaluationResult", "read_result"]
