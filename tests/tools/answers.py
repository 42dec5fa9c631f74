"""How often the checkers misjudge: `python tests/tools/answers.py [--count 1000] [--show]`.

Right answers are the official solutions of the notebooks in other honest forms, wrong
ones are those solutions with small faults: off by one, swapped, constant, a statement
left out, a mode left changed. Whether a faulty one is wrong is decided by what the text
of the exercise asks (tests/tools/oracles.py), never by the checker.
"""

import argparse
import ast
import copy
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from exercising import said, solved
from oracles import ORACLES, Like, behaviour, close, plain, same
from refresh import NOTEBOOKS

CHANGES = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
CHANGES |= {ast.FloorDiv: ast.Mult, ast.Lt: ast.LtE, ast.Gt: ast.GtE, ast.Eq: ast.NotEq}
CHANGES |= {ast.Pow: ast.Mult, ast.In: ast.NotIn}
NAMES = {"eval": "train", "train": "eval", "argmax": "argmin", "mean": "sum"}
NAMES |= {"sum": "mean", "ceil": "floor", "max": "min", "min": "max", "norm": "mean"}
NAMES |= {"add_": "sub_", "zero_grad": "step", "sign": "abs", "abs": "sign"}


@dataclass
class Exercise:
    """One exercise: its checker, the code of its solution, and what that gives."""

    name: str
    check: Callable
    source: str
    space: dict
    variable: str

    def made(self, source: str) -> object:
        """Return the answer that a source makes."""
        space = dict(self.space)
        exec(compile(source, self.name, "exec"), space)
        return space[self.variable]

    @torch.enable_grad()  # an answer may have left them off, or does so here
    def right(self, answer: object) -> bool:
        """Say whether an answer is right, by the text of the exercise."""
        oracle, official = ORACLES.get(self.name), self.made(self.source)
        if oracle is None:
            return close(plain(answer), plain(official)) and _numbers(answer)
        if not isinstance(oracle, Like):
            return oracle(answer)
        drawn = random.Random(1)
        torch.manual_seed(1)
        for _ in range(oracle.cases):
            given = oracle.make(drawn)
            state = torch.get_rng_state()
            wanted = behaviour(official, given, oracle.forward)
            if not same(behaviour(answer, given, oracle.forward), wanted):
                return False
            torch.set_rng_state(state)
        return True


def _numbers(answer: object) -> bool:
    """Say whether an answer holds numbers alone: True is not 1."""
    if isinstance(answer, list | tuple | set | frozenset):
        return all(map(_numbers, answer))
    return not isinstance(answer, bool | str)


class Fault(ast.NodeTransformer):
    """Changes the place of a tree that `wanted` numbers; `places` counts them all."""

    def __init__(self, wanted: int = -1, draw: random.Random | None = None) -> None:
        self.wanted, self.draw, self.places = wanted, draw, 0

    def _here(self) -> bool:
        self.places += 1
        return self.places - 1 == self.wanted

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, bool | int | float) and self._here():
            value = node.value
            others = [value + 1, value - 1, 2 * value + 3, -value]
            new = not value if isinstance(value, bool) else self.draw.choice(others)
            return ast.copy_location(ast.Constant(new), node)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if type(node.op) in CHANGES and self._here():
            node.op = CHANGES[type(node.op)]()
        if self._here():
            node.left, node.right = node.right, node.left
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        if type(node.ops[0]) in CHANGES and self._here():
            node.ops = [CHANGES[type(node.ops[0])]()]
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        if node.attr in NAMES and self._here():
            node.attr = NAMES[node.attr]
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in NAMES and self._here():
            node.id = NAMES[node.id]
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if len(node.args) > 1 and self._here():
            node.args.reverse()
        if node.keywords and self._here():
            node.keywords = node.keywords[:-1]
        chained = isinstance(node.func, ast.Attribute) and self._here()
        return node.func.value if chained else node

    def visit_Tuple(self, node: ast.Tuple) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.ctx, ast.Load) and self._here():
            node.elts.reverse()
        return node

    visit_List = visit_Tuple

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        return node.operand if self._here() else node

    def visit_Return(self, node: ast.Return) -> ast.AST:
        self.generic_visit(node)
        if self._here():
            node.value = ast.Constant(self.draw.choice((None, 0, 1)))
        return node

    def visit_With(self, node: ast.With) -> ast.AST:
        self.generic_visit(node)
        return node.body if self._here() else node

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        body = getattr(node, "body", None)
        if isinstance(body, list) and len(body) > 1 and self._here():
            kept = [one for one in body if not isinstance(one, ast.Import)]
            body.remove(self.draw.choice(kept))
        return node


def faulty(source: str, draw: random.Random) -> str:
    """Return a source with one fault, seldom two."""
    for _ in range(draw.choice((1, 1, 1, 2))):
        tree = ast.parse(source)
        counter = Fault()
        counter.visit(copy.deepcopy(tree))
        if not counter.places:
            return source
        tree = Fault(draw.randrange(counter.places), draw).visit(tree)
        source = ast.unparse(ast.fix_missing_locations(tree))
    return source


def spoiled(answer: object, draw: random.Random) -> object:
    """Return a function that leaves something behind or is constant, or an odd value."""
    if isinstance(answer, type | torch.nn.Module):
        return answer
    if not callable(answer):
        single = isinstance(answer, int | float)
        return draw.choice((str, *[bool] * single, _shortened))(answer)
    first = []

    def constant(*given: object) -> object:
        first[:] = first or [answer(*given)]
        return first[0]

    def other_mode(model: object, *given: object) -> object:
        result = answer(model, *given)
        model.train(not model.training)
        return result

    def left_off(*given: object) -> object:
        result = answer(*given)
        torch.set_grad_enabled(False)
        return result

    def nothing(*given: object) -> None:
        answer(*given)

    return draw.choice((constant, other_mode, left_off, nothing))


def _shortened(answer: object) -> object:
    if isinstance(answer, dict):
        return dict([*answer.items()][:-1])
    return [*answer][:-1] if hasattr(answer, "__len__") else -answer


def honest(answer: object, draw: random.Random) -> object:
    """Return the same answer in another form that a student may give."""
    if isinstance(answer, bool | str) or answer is None:
        return answer
    if isinstance(answer, int):
        forms = int, float, np.int64, torch.tensor, np.array
    elif isinstance(answer, float):
        forms = (
            float,
            np.float64,
            np.array,
            lambda x: torch.tensor(x, dtype=torch.float64),
        )
    elif isinstance(answer, set):
        forms = set, frozenset, sorted, list, lambda x: {*map(np.int64, x)}
    elif isinstance(answer, dict):
        forms = dict, lambda x: {k: np.int64(v) for k, v in x.items()}, _paired
    elif isinstance(answer, list | tuple | torch.Tensor):
        forms = _listed, tuple, lambda x: np.array(_listed(x)), _stacked
    else:
        return _wrapped(answer, draw)
    return draw.choice(forms)(answer)


def _paired(settings: dict) -> dict:
    pairs = {"kernel_size", "stride", "padding", "dilation"}
    return {k: (v, v) if k in pairs else v for k, v in settings.items()}


def _listed(answer: object) -> list:
    plain_ = answer.tolist() if isinstance(answer, torch.Tensor) else answer
    return [_listed(one) if isinstance(one, list | tuple) else one for one in plain_]


def _stacked(answer: object) -> torch.Tensor:
    return torch.tensor(_listed(answer))


def _wrapped(answer: object, draw: random.Random) -> object:
    if isinstance(answer, torch.nn.Module):
        return draw.choice((copy.deepcopy, torch.nn.Sequential))(answer)
    if isinstance(answer, type):
        return type("Mine", (answer,), {})

    def mine(*given: object) -> object:
        result = answer(*given)
        if type(result) in (int, float) and draw.random() < 0.5:
            return {int: np.int64, float: np.float64}[type(result)](result)
        pair = isinstance(result, tuple) and not isinstance(result, torch.Size)
        return [*result] if pair and draw.random() < 0.5 else result

    return draw.choice((answer, mine))


class Harmless(ast.NodeTransformer):
    """Writes the same in another way: names, the order of sums, a result with a name."""

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        numbers = isinstance(node.op, ast.Mult | ast.Add)
        if numbers and self.draw.random() < 0.5:
            node.left, node.right = node.right, node.left
        return node

    def visit_Return(self, node: ast.Return) -> ast.AST:
        if node.value is None or self.draw.random() < 0.5:
            return node
        kept = ast.Assign([ast.Name("outcome", ast.Store())], node.value)
        return [kept, ast.Return(ast.Name("outcome", ast.Load()))]


def rewritten(source: str, draw: random.Random) -> str:
    tree = Harmless(draw).visit(ast.parse(source))
    return ast.unparse(ast.fix_missing_locations(tree))


def exercises() -> Iterator[Exercise]:
    """Yield all exercises of the course with their official solutions."""
    for path in NOTEBOOKS:
        for space, name, variable, source in solved(path):
            yield Exercise(
                name, space["checks"].__dict__[name], source, space, variable
            )


def answers(
    one: Exercise, draw: random.Random, wanted: bool
) -> Iterator[tuple[object, str]]:
    """Yield right or wrong answers to an exercise without end, each with its source."""
    while True:
        source = (rewritten if wanted else faulty)(one.source, draw)
        try:
            answer = one.made(source)
        except Exception:
            continue
        if wanted:
            answer = honest(answer, draw)
        elif draw.random() < 0.15:
            answer = spoiled(one.made(one.source), draw)
            source = f"{getattr(answer, '__name__', '')} {one.source}"
        if wanted or not one.right(answer):
            yield answer, source


def misjudged(count: int, wanted: bool, seed: int) -> list[tuple[str, str, str]]:
    """Return (exercise, source, verdict) of each answer that its checker judges wrongly."""
    draw, wrong, every = random.Random(seed), [], [*exercises()]
    made = [answers(one, draw, wanted) for one in every]
    for number in range(count):
        one = every[number % len(every)]
        answer, source = next(made[number % len(every)])
        verdict = said(one.check, answer)
        torch.set_grad_enabled(True)
        if verdict.startswith("✓") != wanted:
            wrong.append((one.name, f"{answer!r}\n{source}", verdict))
    return wrong


def main() -> None:
    """Print the share of right answers refused and of wrong ones accepted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", action="store_true", help="each answer misjudged")
    chosen = parser.parse_args()
    for wanted, words in (
        (True, "right answers refused"),
        (False, "wrong ones accepted"),
    ):
        wrong = misjudged(chosen.count, wanted, chosen.seed)
        print(
            f"{words}: {len(wrong)} of {chosen.count}, {len(wrong) / chosen.count:.1%}"
        )
        print("  ", dict(Counter(name for name, _, _ in wrong)))
        for name, source, verdict in wrong if chosen.show else ():
            print(f"--- {name}\n{source}\n{verdict}", file=sys.stderr)


if __name__ == "__main__":
    main()
