"""The house stays in order: layers, small files, small functions, one map."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import exercises
import pytest

import helpers

ROOT = Path(__file__).parents[2]
HELPERS, EXERCISES = Path(helpers.__file__).parent, Path(exercises.__file__).parent
FILES = sorted(HELPERS.rglob("*.py"))
SCRIPTS = sorted(HELPERS.rglob("*.js"))
MAP = re.findall(r"^    ([a-z][\w.*]+) ", helpers.__doc__, re.MULTILINE)
PACKAGES = "handout.", "progress."  # their modules stand in maps of their own
BENCHES = [path.stem for path in sorted((HELPERS / "widgets").glob("*.py"))]


def module(path):
    """Return the name of a module below helpers, such as widgets.base."""
    parts = path.relative_to(HELPERS).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def layers():
    """Return the place of each module in the map; the benches share one."""
    places = {name: place for place, name in enumerate(MAP)}
    bench = places.pop("widgets.*")
    return {f"widgets.{name}": bench for name in BENCHES} | places


def imported(path):
    """Return the modules of helpers that a file imports."""
    for part in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(part, ast.ImportFrom) and (part.module or "").startswith(
            "helpers"
        ):
            home = part.module.removeprefix("helpers").lstrip(".")
            names = [f"{home}.{one.name}".lstrip(".") for one in part.names]
            yield from (name for name in names if name in layers())
            yield from [home] * (home in layers())
        elif isinstance(part, ast.Import):
            yield from (
                one.name.removeprefix("helpers.")
                for one in part.names
                if one.name.startswith("helpers.")
            )


@pytest.mark.parametrize("path", FILES, ids=module)
def test_a_module_imports_from_lower_layers_only(path):
    places, name = layers(), module(path)
    for other in imported(path):
        assert other in places, f"{name} imports {other}, which the map does not name"
        lower = places[other] < places.get(name.partition(".__main__")[0], len(MAP))
        beside = places[other] == places.get(name) and "widgets." in name
        assert lower or beside or name.startswith(("handout", *PACKAGES)), (
            f"{name} imports {other}"
        )


def test_benches_import_each_other_in_no_circle():
    done, left = set(), {f"widgets.{name}" for name in BENCHES}
    uses = {module(path): {*imported(path)} for path in FILES}
    while left:
        ready = {name for name in left if not (uses.get(name, set()) & left) - {name}}
        assert ready, f"{sorted(left)} import each other"
        done, left = done | ready, left - ready


def test_the_map_names_every_module():
    named = {name.removesuffix(".*") for name in MAP}
    found = {module(path) for path in FILES} - {""}
    benches = {name for name in found if name.startswith("widgets.")}
    assert found - benches - {"widgets"} - named == {
        name for name in found if name.startswith(PACKAGES)
    }
    assert named - found == set()


@pytest.mark.parametrize(
    "path", [*FILES, *SCRIPTS, *EXERCISES.glob("*.py")], ids=lambda path: path.name
)
def test_a_file_can_be_read_in_one_sitting(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize(
    "path", [*FILES, *EXERCISES.glob("*.py")], ids=lambda p: p.name
)
def test_a_function_of_python_has_forty_lines_at_most(path):
    for part in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(part, ast.FunctionDef):
            assert part.end_lineno - part.lineno < 40, part.name


def test_python_is_in_one_style():
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, str(ROOT)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


def test_nothing_else_stands_at_the_top():
    top = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    wanted = "notebooks requirements.txt README.md helpers tests binder pyproject.toml"
    wanted = {*wanted.split(), "LICENSE"}
    found = {name for name in top if not name.endswith(".egg-info")}
    assert wanted <= found <= wanted | {"data", "build", "handouts"}


@pytest.mark.slow
def test_the_first_lesson_loads_neither_torchvision_nor_scikit_learn():
    names = "from helpers import checking, digits, figures, presets, sizes"
    benches = "from helpers.widgets import layer_bench, training_bench"
    check = "assert not {'torchvision', 'sklearn'} & set(sys.modules)"
    code = f"import sys; {names}; {benches}; from exercises import lesson_01; {check}"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT / "notebooks")
