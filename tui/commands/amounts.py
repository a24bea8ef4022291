"""Numbers on the command line, for argparse."""

from __future__ import annotations

import argparse


def whole(text: str) -> int:
    """A whole number from 1 to 10¹². Raises ArgumentTypeError for anything else."""
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= 10**12:
        raise argparse.ArgumentTypeError(f"a whole number from 1 on, not {text!r}")
    return int(text)


def amount(text: str) -> float:
    """A number from 0 up to 10¹². Raises ArgumentTypeError for anything else."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if 0 <= number < 1e12:
        return number
    raise argparse.ArgumentTypeError(f"a number from 0 on, not {text!r}")
