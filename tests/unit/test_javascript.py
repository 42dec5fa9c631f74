"""The benches' scripts: formatted, linted, and put together from real modules."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from helpers.widgets import base

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / "tests" / "tools" / "javascript"
SCRIPTS = sorted((ROOT / "helpers").rglob("*.js"))
SCRIPTS += sorted((ROOT / "tests" / "tools").glob("*.js"))
FRAGMENTS = [path for path in SCRIPTS if path.parent.name == "handout"]


@pytest.fixture(scope="module")
def npx():
    """Return the command that runs a tool of package.json; install the tools once."""
    if not shutil.which("npm"):
        if os.environ.get("CI"):
            pytest.fail("no npm here, and in CI the scripts must be checked")
        pytest.skip("needs node and npm")
    command = ["npm", "install", "--no-save", "--no-package-lock", "--silent"]
    if not (TOOLS / "node_modules").exists():
        subprocess.run(command, cwd=TOOLS, check=True, timeout=300)
    return [shutil.which("npx"), "--prefix", str(TOOLS), "--no-install"]


def complaints(*command):
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.slow
def test_the_formatter_finds_nothing_to_change(npx):
    assert not complaints(*npx, "prettier", "--check", *map(str, SCRIPTS))


@pytest.mark.slow
def test_the_linter_finds_nothing(npx):
    config = str(TOOLS / "eslint.config.js")
    assert not complaints(*npx, "eslint", "--config", config, *map(str, SCRIPTS))


def test_a_script_holds_all_that_it_imports_once():
    for path in set(base.HERE.glob("*.js")) - set(FRAGMENTS):
        whole = base.script(path.stem)
        assert not re.search(r"^(import|export (?!default))", whole, re.MULTILINE)
        names = base.TOP_LEVEL.findall(whole)
        assert len(names) == len(set(names))


def test_two_modules_that_define_one_name_are_refused(monkeypatch, tmp_path):
    (tmp_path / "one.js").write_text("export const twice = 1;\n")
    (tmp_path / "two.js").write_text('import { twice } from "./one.js";\n')
    monkeypatch.setattr(base, "HERE", tmp_path)
    assert base.script("two") == "const twice = 1;\n\n"
    (tmp_path / "two.js").write_text(
        'import { twice } from "./one.js";\nfunction twice() {}\n'
    )
    with pytest.raises(ValueError, match=r"two.js .* define twice: twice\."):
        base.script("two")
