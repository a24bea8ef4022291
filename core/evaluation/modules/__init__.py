"""Metrics as evaluate.Metric modules, loaded by path with evaluate.load: no hub, no network."""
