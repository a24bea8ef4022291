"""Themes: the bundled ones are legible; a bad one of the user's is reported and never fatal."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.color import Color

from core.errors import DiapasonError
from tests.tui.screen_text import shown, until
from tui.app import DiapasonApp
from tui.theme import BUNDLED, DARK, LIGHT, SIXTEEN, find_theme, load_themes, read_theme
from tui.widgets.rows import MARK, RowList


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path))
    (tmp_path / "themes").mkdir()
    return tmp_path


def contrast(a: str, b: str) -> float:
    """WCAG 2.2 contrast ratio of two colours (w3.org/TR/WCAG22, relative luminance)."""

    def luminance(text: str) -> float:
        parts = [value / 255 for value in Color.parse(text).rgb]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def test_three_themes_come_along() -> None:
    found = load_themes()
    assert set(found.good) == {DARK, LIGHT, SIXTEEN}
    assert not found.problems


@pytest.mark.parametrize("name", [DARK, LIGHT])
def test_bundled_colours_are_legible(name: str) -> None:
    theme = load_themes().good[name]
    back = theme.background or ""
    for colour, least in (
        (theme.foreground, 7.0),
        (theme.accent, 4.5),
        (theme.error, 4.5),
        (theme.warning, 4.5),
        (theme.success, 4.5),
        (theme.variables["text-muted"], 4.5),
        (theme.variables["text-disabled"], 2.4),
    ):
        assert contrast(colour or "", back) >= least, f"{name}: {colour} on {back}"


def test_sixteen_colours_are_the_terminals_own() -> None:
    theme = load_themes().good[SIXTEEN]
    used = [theme.primary, theme.accent, theme.foreground, theme.background, theme.error, *theme.variables.values()]
    assert all(str(value).startswith("ansi_") or value == "bold" or value == "none" for value in used)


async def test_the_row_under_the_cursor_reads_in_sixteen_colours() -> None:
    app = DiapasonApp()
    async with app.run_test() as pilot:
        await until(pilot, lambda: SIXTEEN in app.available_themes)
        app.use_theme(SIXTEEN)
        rows = app.screen.query_one(RowList)
        rows.focus()
        await until(pilot, lambda: "Next" in shown(app) and rows.has_focus)
        lines = [rows.render_line(y) for y in range(rows.size.height)]
        line = next(line for line in lines if line.text.startswith(MARK))
        styles = [segment.style for segment in line if segment.text.strip() and segment.style]
        assert styles and all(style.bgcolor and style.color != style.bgcolor for style in styles)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = ", "not TOML"),
        ('primary = "#fff"', "`name` is missing"),
        ('name = "[@click=app.quit]x"\nprimary = "red"', "`name` is 40 letters"),
        ('name = "x"\nprimary = "#ggg"', "`#ggg` is no colour"),
        ('name = "x"\nprimary = 3', "a colour is a text"),
        ('name = "x"\nprimary = "red"\nbrightness = 2', "unknown key `brightness`"),
        ('name = "x"\nprimary = "red"\ndark = "yes"', "`dark` has the wrong type"),
        ('name = "x"\nprimary = "red"\n[variables]\nborder = "no such"', "`no` is no colour"),
        ('name = "x"\nprimary = "red"\n[variables]\nborder = 1', "every variable is a text"),
    ],
)
def test_a_bad_theme_is_explained(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(DiapasonError) as caught:
        read_theme(path)
    assert said in str(caught.value)
    assert str(caught.value).startswith("bad.toml")


def test_bytes_that_are_no_text_are_explained(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_bytes(b"\xff\xfe\x00name")
    with pytest.raises(DiapasonError):
        read_theme(tmp_path / "bad.toml")


async def test_a_bad_user_theme_is_a_notice(_home: Path) -> None:
    (_home / "themes" / "evil.toml").write_text('name = "evil"\nprimary = "[@click=app.quit]x"')
    app = DiapasonApp()
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await until(pilot, lambda: "theme not used" in shown(app))
        assert app.theme == DARK
        assert "`[@click=app.quit]x` is no colour" in " ".join(shown(app).split())


async def test_a_user_theme_is_used_and_remembered(_home: Path) -> None:
    (_home / "themes" / "mine.toml").write_text('name = "mine"\nprimary = "#5fafd7"\nbackground = "#001020"')
    app = DiapasonApp()
    async with app.run_test() as pilot:
        await until(pilot, lambda: "mine" in app.available_themes)
        app.use_theme("mine")
        await pilot.pause()
        assert app.theme_variables["text-muted"].startswith("#")
    assert (_home / "theme").read_text() == "mine\n"
    again = DiapasonApp()
    async with again.run_test():
        assert again.theme == "mine"


async def test_a_remembered_theme_that_is_gone_falls_back(_home: Path) -> None:
    (_home / "theme").write_text("../../etc/passwd")
    app = DiapasonApp()
    async with app.run_test():
        assert app.theme == DARK


@pytest.mark.parametrize("name", [DARK, LIGHT, SIXTEEN])
async def test_every_theme_paints_every_widget(name: str) -> None:
    app = DiapasonApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: name in app.available_themes)
        app.theme = name
        await pilot.press("question_mark")
        await until(pilot, lambda: "This screen" in shown(app))
        await pilot.press("escape", "d")
        await until(pilot, lambda: "Which data file?" in shown(app))
        await pilot.press("escape", "ctrl+p")
        await until(pilot, lambda: "Search" in shown(app))


def test_a_bundled_theme_is_found_by_name() -> None:
    theme = find_theme(LIGHT)
    assert theme is not None and not theme.dark
    assert find_theme("nothing") is None
    assert (BUNDLED / f"{SIXTEEN}.toml").is_file()
