"""Variants of rows, made by a model behind an OpenAI-compatible endpoint."""
