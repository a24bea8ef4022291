"""A run on one self-contained page."""
