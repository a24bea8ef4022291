"""What variants would cost and what came of them, in words, for the command line and the app."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.text import shorten, visible
from tui.format import count

if TYPE_CHECKING:
    from core.data.augment.augment import Augmented, Plan, Wish

_SHOWN = 5


def plan_line(planned: Plan, wish: Wish, out: Path) -> str:
    """What it comes to before anything is asked, and what becomes of `out` and of an earlier run into it."""
    from core.data.augment.augment import log_path, unfinished

    parts = [
        f"{count(planned.rows)} row{'' if planned.rows == 1 else 's'} × {wish.n} variants",
        f"at most about {count(planned.given + planned.made)} tokens",
    ]
    if wish.prices.given or wish.prices.made:
        parts[-1] += f" (costs {wish.prices.cost(planned.given, planned.made):.2f})"
    limits = [f"{count(wish.tokens)} tokens"] if wish.tokens is not None else []
    limits += [f"{wish.money:g}"] if wish.money is not None else []
    parts.append(f"budget {' and '.join(limits)}" if limits else "no budget set")
    parts.append(f"{visible(wish.model)} at {visible(wish.endpoint)}")
    if planned.unsuited:
        parts.append(f"{count(planned.unsuited)} rows have no variants")
    if unfinished(out) is not None:
        parts.append(f"goes on from {visible(str(log_path(out)))}")
    if out.exists():
        parts.append(f"writes {visible(str(out))} anew")
    return " · ".join(parts)


def result_lines(done: Augmented, again: str = "the same command") -> list[str]:
    """What came of it; `again` goes on where something is left."""
    money = f" · costs {done.money:.2f}" if done.money else ""
    lines = [f"{count(done.asked)} rows answered · {count(done.tokens)} tokens{money}"]
    if done.path is not None:
        found = done.sifted
        dropped = [f"{count(number)} {what}" for number, what in (
            (found.unusable, "not usable"), (found.copies, "copies of the source"),
            (found.repeats, "copies of each other")) if number]  # fmt: skip
        tail = f" · dropped: {', '.join(dropped)}" if dropped else ""
        lines.append(f"{visible(str(done.path))} · {count(found.kept)} of {count(found.made)} variants kept{tail}")
    if done.empty:
        lines.append(
            f"In {count(done.empty)} answers no variant was found. A model that thinks before it answers may need "
            "--max-tokens; one that writes no JSON another --prompt. With another -o they are asked again."
        )
    for line, why in done.refused[:_SHOWN]:
        lines.append(f"  line {line} got no answer: {shorten(why, 100)}")
    if len(done.refused) > _SHOWN:
        lines.append(f"  and {count(len(done.refused) - _SHOWN)} more")
    if done.stopped:
        lines.append(f"Stopped. What was answered is in {visible(str(done.log))}; {again} goes on from there.")
    elif done.left:
        lines.append(f"The budget ends here: {count(done.left)} rows are left. With a larger one {again} goes on.")
    return lines
