"""Cells of a lesson can be run again, in any order, and after a skipped part."""

import ast
import builtins
import re
import symtable
from collections import defaultdict
from itertools import pairwise

import nbformat
import pytest
from exercising import everywhere
from refresh import NOTEBOOKS

LESSONS = NOTEBOOKS
each = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
halved = pytest.mark.parametrize("path", LESSONS[2:], ids=lambda path: path.stem)
IMPORTS = ast.Import | ast.ImportFrom
BLOCKS = ast.For | ast.With | ast.Try | ast.If


def names(tree, kind):
    """Return the names that a tree of syntax loads or stores, as `kind` says."""
    found = (part for part in ast.walk(tree) if isinstance(part, ast.Name))
    return {part.id for part in found if isinstance(part.ctx, kind)}


def inner(tree):
    """Return the names that exist only inside comprehensions and lambdas."""
    parts = [*ast.walk(tree)]
    targets = [p.target for p in parts if isinstance(p, ast.comprehension)]
    return {p.arg for p in parts if isinstance(p, ast.arg)}.union(
        *(names(target, ast.Store) for target in targets)
    )


def globals_of(table):
    """Return the names that the functions in a table of symbols take from outside."""
    found = set()
    for child in table.get_children():
        if child.get_type() != "class":
            found |= {s.get_name() for s in child.get_symbols() if s.is_global()}
        found |= globals_of(child)
    return found


def made_and_read(source):
    """Return the names that a cell binds, and those that it takes from elsewhere."""
    made, read = set(), set()
    for line in ast.parse(source).body:
        if isinstance(line, IMPORTS):
            continue
        if isinstance(line, ast.FunctionDef | ast.ClassDef):
            made.add(line.name)
            table = symtable.symtable(ast.unparse(line), "cell", "exec")
            read |= globals_of(table)
            continue
        stored = names(line, ast.Store) - inner(line)
        loaded = names(line, ast.Load) - inner(line)
        if isinstance(line, ast.AugAssign):
            loaded |= stored
        read |= loaded - made - (stored if isinstance(line, BLOCKS) else set())
        made |= stored
    return made, read - set(dir(builtins))


def cells(path):
    """Return, for each code cell, its source and whether the text lets it be skipped."""
    found, skipped = [], False
    for cell in nbformat.read(path, 4).cells:
        for heading in re.findall(r"^##+ .+", cell.source, re.M):
            skipped = "(can be skipped)" in heading
        if cell.cell_type == "code":
            found.append((everywhere(cell.source), skipped))
    return found


def clashes(sources):
    """Return the names that two cells bind and a third one, or a function, reads."""
    makers, readers = defaultdict(set), defaultdict(set)
    for number, source in enumerate(sources):
        made, read = made_and_read(source)
        for name in made:
            makers[name].add(number)
        for name in read:
            readers[name].add(number)
    return {name for name in readers if len(makers[name]) > 1}


def test_a_clash_is_found():
    assert clashes(["y = 1", "print(y)", "y = 2"]) == {"y"}
    assert clashes(["y = 1\nprint(y)", "y = 2\nprint(y)"]) == set()
    assert clashes(["y = 1\ndef f():\n    return y", "y = 2"]) == {"y"}
    assert clashes(["y = 1", "y += 1"]) == {"y"}
    assert clashes(["for y in ():\n    y", "[y for y in ()]"]) == set()


@each
def test_no_cell_reads_a_name_that_two_cells_bind(path):
    assert clashes([source for source, _ in cells(path)]) == set()


@each
def test_nothing_needs_a_part_that_can_be_skipped(path):
    made = {True: set(), False: set()}
    for source, skipped in cells(path):
        here, read = made_and_read(source)
        if not skipped:
            assert not read & (made[True] - made[False]), source
        made[skipped] |= here


@halved
def test_half_way_is_where_the_header_says(path):
    text = [cell.source for cell in nbformat.read(path, 4).cells]
    first = re.search(r"sections 1 to (\d+) and (\d+) to \d+ make two", "\n".join(text))
    (after,) = (b for a, b in pairwise(text) if a.startswith("**Half way: "))
    assert int(first[1]) + 1 == int(first[2])
    assert after.startswith(f"## {first[2]} ")


def test_the_test_split_can_be_read_where_the_longer_recipe_was_not_run():
    made, now = set(), 0
    for cell in nbformat.read(LESSONS[4], 4).cells:
        now = int((re.findall(r"^## (\d+) ", cell.source, re.M) or [now])[-1])
        if cell.cell_type == "code":
            here, read = made_and_read(everywhere(cell.source))
            made |= here if now == 11 else set()
            assert now <= 11 or read & made <= {"best"}
            asked = '"best" in globals()' in cell.source
            assert now <= 11 or "best" not in read or asked
