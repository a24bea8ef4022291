"""The rest of the machine: Python, memory, the terminal, what ends when one logs out, and missing packages."""

from __future__ import annotations

import getpass
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from core.doctor.check import Check, human_size
from core.hardware import cpu_count, ram

_PYTHONS = ((3, 11), (3, 13))  # pyproject.toml: requires-python
# What the app and the jobs import, by the name of the distribution.
_NEEDED = (
    "accelerate", "bitsandbytes", "bm25s", "charset-normalizer", "datasets", "evalica", "evaluate", "ftfy",
    "jinja2", "jsonschema", "numpy", "nvidia-ml-py", "orjson", "peft", "phonenumbers", "psutil", "pyarrow",
    "py3langid", "pydantic", "pyyaml", "regex", "rensa", "requests", "rouge-score", "sacrebleu", "safetensors",
    "scikit-learn", "scipy", "textual", "tokenizers", "torch", "transformers", "trl", "xxhash",
)  # fmt: skip
_SHOWN = ("transformers", "trl", "xxhash", "peft", "accelerate", "datasets", "tokenizers", "textual")


def python_check(version: tuple[int, int] = (sys.version_info.major, sys.version_info.minor)) -> Check:
    """The interpreter: a version that Diapason supports, in an environment of its own."""
    value = f"{platform.python_version()} ({sys.executable})"
    if not _PYTHONS[0] <= version <= _PYTHONS[1]:
        advice = "Diapason needs Python 3.11 to 3.13: uv tool install --python 3.13 …"
        return Check("Python", "fail", value, advice)
    return Check("Python", "ok", value)


def memory_check() -> Check:
    """Memory and cores that this process may use."""
    total, free = ram()
    value = f"{cpu_count()} CPU cores; {human_size(free)} of {human_size(total)} memory free"
    if free < 4 << 30:
        return Check("Memory", "warn", value, "Less than 4 GiB: only small models will fit; close other programs.")
    return Check("Memory", "ok", value)


def terminal_check(environment: Mapping[str, str] | None = None) -> Check:
    """Colours and size of the terminal; `tput`'s rules: COLORTERM, then the name in TERM."""
    given = os.environ if environment is None else environment
    term, colorterm = given.get("TERM", ""), given.get("COLORTERM", "")
    if not (sys.stdout.isatty() or sys.stderr.isatty()):
        return Check("Terminal", "info", "not a terminal: the app needs one, the commands do not")
    size = shutil.get_terminal_size()
    colours = _colours(term, colorterm)
    value = f"{term or 'TERM is not set'}, {colours or 'no'} colours, {size.columns}x{size.lines}"
    if not colours:
        return Check("Terminal", "warn", value, "The app will be hard to read: export TERM=xterm-256color")
    advice: list[str] = []
    if size.columns < 80 or size.lines < 24:
        advice.append("The app is made for 80x24 and more: enlarge the window.")
    if colours == "256":
        advice.append("If your terminal has true colour (most have), over SSH too:\nexport COLORTERM=truecolor")
    if colours == "16":
        advice.append("Few colours; if your terminal has more:\nexport TERM=xterm-256color")
    small = size.columns < 80 or size.lines < 24
    return Check("Terminal", "warn" if small else "ok", value, "\n".join(advice))


def _colours(term: str, colorterm: str) -> str:
    if colorterm.lower() in ("truecolor", "24bit") or term.endswith("-direct"):
        return "16 million"
    if not term or term == "dumb":
        return ""
    return "256" if "256" in term or term.startswith(("xterm-kitty", "alacritty", "foot", "wezterm")) else "16"


def login_check(
    kind: str | None,
    *,
    root: Path = Path("/"),
    environment: Mapping[str, str] | None = None,
    kills: bool | None = None,
) -> Check:
    """Whether a run goes on when the person logs out.

    Args:
        kind: the kind of container that we are in, or None.
        kills: systemd's KillUserProcesses; None: ask logind, else read its files.
    """
    name = "After logging out"
    given = os.environ if environment is None else environment
    for variable, system, line in (
        ("SLURM_JOB_ID", "SLURM", "sbatch --time=24:00:00 --gres=gpu:1 --wrap 'diapason train run.yaml --follow'"),
        ("PBS_JOBID", "PBS", "qsub with a script that runs `diapason train run.yaml --follow`"),
        ("LSB_JOBID", "LSF", "bsub diapason train run.yaml --follow"),
    ):
        if given.get(variable):
            advice = f"Runs end with the job, at its time limit at the latest. Give them a job of their own:\n{line}"
            return Check(name, "warn", f"inside {system} job {given[variable]}", advice)
    if kind:
        return _container_login(name, kind, root)
    if kills is None:
        kills = _kills(root)
    user = given.get("USER") or given.get("LOGNAME") or getpass.getuser()
    lingers = (root / "var/lib/systemd/linger" / user).exists()
    if kills and not lingers:
        advice = (
            "systemd ends all your processes when you log out (KillUserProcesses=yes). Once:\n"
            "loginctl enable-linger\n"
            "then start runs in a unit of their own:\n"
            "systemd-run --user --scope diapason train run.yaml"
        )
        return Check(name, "warn", "runs are killed", advice)
    if kills:
        advice = "Start runs in a unit of their own:\nsystemd-run --user --scope diapason train run.yaml"
        return Check(name, "warn", "runs are killed unless they are in a unit of their own (linger is on)", advice)
    return Check(name, "ok", "runs go on")


def _container_login(name: str, kind: str, root: Path) -> Check:
    try:
        first = (root / "proc/1/comm").read_text("utf-8", "replace").strip()
    except OSError:
        first = ""
    value = f"runs go on as long as the container does ({kind})"
    if first in ("systemd", "init", "tini", "dumb-init", "docker-init", "catatonit", "s6-svscan", "runit"):
        return Check(name, "ok", f"{value}; its first process is {first}")
    advice = (
        f"Its first process is {first or 'unknown'}, no init: when that ends (as a shell does that you leave), runs "
        "end too, and ended processes stay as zombies. Start it with an init:\ndocker run --init -d …"
    )
    return Check(name, "warn", value, advice)


def _kills(root: Path) -> bool:
    if root == Path("/") and shutil.which("loginctl"):
        try:
            done = subprocess.run(
                ["loginctl", "show-session", "--property=KillUserProcesses"],
                capture_output=True, text=True, timeout=10, stdin=subprocess.DEVNULL,
            )  # fmt: skip
            if done.returncode == 0 and "=" in done.stdout:
                return done.stdout.strip().endswith("=yes")
        except (OSError, subprocess.TimeoutExpired):
            pass
    # man 5 logind.conf: the drop-ins win over the file, the later by name over the earlier, /etc over /run over /usr.
    files = [root / folder / "systemd/logind.conf" for folder in ("usr/lib", "run", "etc")]
    drops: dict[str, Path] = {}
    for folder in ("usr/lib", "run", "etc"):
        drops |= {path.name: path for path in (root / folder / "systemd/logind.conf.d").glob("*.conf")}
    kills = False
    for path in [*files, *(drops[name] for name in sorted(drops))]:
        try:
            text = path.read_text("utf-8", "replace")
        except OSError:
            continue
        for match in re.finditer(r"^\s*KillUserProcesses\s*=\s*(\S+)", text, re.MULTILINE):
            kills = match.group(1).lower() in ("1", "yes", "true", "on")
    return kills


def package_check() -> Check:
    """Whether all packages are there, and the versions of those that matter most."""
    versions: dict[str, str] = {}
    for name in _NEEDED:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    missing = [name for name in _NEEDED if name not in versions]
    if missing:
        return Check("Packages", "fail", f"missing: {', '.join(missing)}", f"pip install {' '.join(missing)}")
    return Check("Packages", "ok", ", ".join(f"{name} {versions[name]}" for name in _SHOWN))


def tool_check() -> Check:
    """Programs beside Python that make things easier; nothing breaks without them."""
    wanted = {
        "git": "fetch models that are kept in Git LFS (apt install git git-lfs)",
        "hf": "download models and log in to the Hugging Face hub (pip install huggingface_hub)",
        "tmux": "keep the app itself open over SSH; runs go on without it (apt install tmux)",
    }
    missing = [tool for tool in wanted if not _which(tool)]
    if not missing:
        return Check("Tools", "ok", ", ".join(wanted))
    advice = "\n".join(f"{tool}: {wanted[tool]}" for tool in missing)
    return Check("Tools", "info", f"not found: {', '.join(missing)}", advice)


def _which(tool: str) -> bool:
    beside = Path(sys.executable).parent / tool
    return shutil.which(tool) is not None or beside.exists()
