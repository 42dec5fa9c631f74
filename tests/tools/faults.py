"""Whether the tests would notice: `python tests/tools/faults.py [--count 60] [--seed 0]`.

Puts one small fault after the other into a copy of `helpers`, Python and JavaScript in
turn, and runs the tests, the quick ones first, until one fails. Prints for each fault
the tier that found it. A fault that no tier finds is printed with its line: either a
test is missing, or the line does the same without it.
"""

import argparse
import ast
import copy
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from answers import Fault

ROOT = Path(__file__).parents[2]
# What may go wrong in a line of a script, and what it becomes.
SCRIPT = [(" + 1", ""), (" - 1", ""), (" < ", " <= "), (" >= ", " > "), (" > ", " >= ")]
SCRIPT += [("===", "!=="), ("!==", "==="), (" && ", " || "), (" || ", " && ")]
SCRIPT += [(" * ", " + "), ("Math.max", "Math.min"), ("Math.min", "Math.max")]
SCRIPT += [("true", "false"), ("false", "true"), (" ? ", " ? !"), ("row", "column")]
# What formatters say of a fault does not count.
STYLE = ["--deselect", "tests/unit/test_house.py"]
STYLE += ["--deselect", "tests/unit/test_javascript.py"]
TIERS = {
    "quick": ["-m", "quick", *STYLE],
    "unit": ["tests/unit", *STYLE],
    "page": ["tests/page"],
    "lessons": ["tests/lessons"],
    "lab": ["tests/lab"],
}
LAYER = ["tests/unit/test_layer_bench.py", "tests/unit/test_layer_bench_refusals.py"]
LAYER += ["tests/page/test_layer_bench_page.py", "tests/page/test_layer_bench_keys.py"]
FIRST = {  # of a module, the tests that know it best
    **dict.fromkeys(["layer_controls", "layer_numbers", "signatures"], LAYER),
    **dict.fromkeys(["layer_views", "layer_words", "numbers", "taps"], LAYER[2:]),
    "shape_tracer": [
        "tests/page/test_shape_tracer_page.py",
        "tests/unit/test_shape_tracer.py",
    ],
    "handout": ["tests/unit/test_handout_pages.py"],
    "checking": ["tests/lessons", "tests/unit/test_predict.py"],
    "grid": [*LAYER[2:], "tests/page/test_dropout.py"],
    "base": ["tests/page/test_page.py", *LAYER],
    "heat": ["tests/page/test_page.py", "tests/page/test_stepper.py"],
    "figures": ["tests/unit", "tests/lessons/test_notebooks.py"],
}


def in_python(path: Path, draw: random.Random) -> tuple[str, str] | None:
    """Return a source with one fault, and the line that differs."""
    tree = without_words(ast.parse(path.read_text(encoding="utf-8")))
    before = ast.unparse(tree).splitlines()
    counter = Fault()
    counter.visit(copy.deepcopy(tree))
    if not counter.places:
        return None
    faulty = Fault(draw.randrange(counter.places), draw).visit(tree)
    after = ast.unparse(ast.fix_missing_locations(faulty))
    changed = [line for line in after.splitlines() if line not in before]
    gone = [line for line in before if line not in after.splitlines()]
    return after, f"{' '.join(gone).strip()[:90]}  →  {' '.join(changed).strip()[:90]}"


def without_words(tree: ast.Module) -> ast.Module:
    """Take off docstrings and the kinds of arguments, where a fault changes nothing."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.returns = None
            if ast.get_docstring(node) and len(node.body) > 1:
                del node.body[0]
        if isinstance(node, ast.arg):
            node.annotation = None
    return tree


def in_script(path: Path, draw: random.Random) -> tuple[str, str] | None:
    """The same for JavaScript."""
    lines = path.read_text(encoding="utf-8").splitlines()
    code = [
        n
        for n, line in enumerate(lines)
        if not line.lstrip().startswith(("//", "import"))
    ]
    places = [(n, old, new) for n in code for old, new in SCRIPT if old in lines[n]]
    if not places:
        return None
    number, old, new = draw.choice(places)
    before = lines[number].strip()
    lines[number] = lines[number].replace(old, new, 1)
    return "\n".join(lines) + "\n", f"{before[:90]}  →  {lines[number].strip()[:90]}"


def found_by(copied: Path, path: Path, tiers: list[str]) -> str:
    """Return the tier whose tests fail, the tests that know the module best first."""
    name = path.stem if path.parent.name != "handout" else "handout"
    own = [file for file in (copied / "tests").rglob(f"test_{name}*.py")]
    best = [str(file.relative_to(copied)) for file in own] + FIRST.get(name, [])
    chosen = {tier: TIERS[tier] for tier in tiers}
    for tier, files in {"its own": best, **chosen}.items():
        if files and not passes(copied, files):
            return Path(best[0]).parts[1] if tier == "its own" else tier
    return ""


def passes(copied: Path, files: list[str]) -> bool:
    paths = f"{copied}{os.pathsep}{copied / 'notebooks'}"
    environment = os.environ | {"PYTHONPATH": paths, "MNIST_ROOT": "embedded"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        *files,
    ]
    done = subprocess.run(
        command, cwd=copied, env=environment, capture_output=True, check=False
    )
    return done.returncode in (0, 5)


def main() -> None:
    """Make the faults one after the other, and print who found them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tiers", nargs="+", choices=TIERS, default=list(TIERS))
    chosen = parser.parse_args()
    draw, tiers = random.Random(chosen.seed), Counter()
    kinds = {"py": in_python, "js": in_script}
    with tempfile.TemporaryDirectory() as folder:
        copied = Path(folder) / "course"
        left_out = shutil.ignore_patterns(".venv", ".git", "data", "node_modules")
        shutil.copytree(ROOT, copied, ignore=left_out)
        if failing := [t for t in chosen.tiers if not passes(copied, TIERS[t])]:
            sys.exit(f"Without a fault these fail already: {', '.join(failing)}.")
        for number in range(chosen.count):
            ending = ["py", "js"][number % 2]
            files = sorted((copied / "helpers").rglob(f"*.{ending}"))
            path = draw.choice([file for file in files if file.stem != "__init__"])
            made = kinds[ending](path, draw)
            if made is None:
                continue
            kept = path.read_text(encoding="utf-8")
            path.write_text(made[0], encoding="utf-8")
            tier = found_by(copied, path, chosen.tiers)
            path.write_text(kept, encoding="utf-8")
            tiers[tier or "none"] += 1
            print(f"{tier or 'NOBODY':8} {path.name:20} {made[1]}", flush=True)
    print(dict(tiers))


if __name__ == "__main__":
    main()
