"""The teacher's guide on wrong answers: each is given to its checker, which has to say
what the guide quotes; and what it quotes of messages and menus is really there.
"""

import re
import sys
from functools import cache
from itertools import chain
from pathlib import Path

import pytest
from exercises import lesson_01
from exercising import said, solved
from refresh import NOTEBOOKS
from test_teaching import TEXT, rows

from helpers import digits
from helpers.progress import classes

COLUMNS = "Exercise | Trains | Typical wrong answer | What the checker says"

# The wrong answers that the guide puts into words, by notebook and exercise: an answer as
# Python, or what to put in place of what in the notebook's own solution. Numbers and
# tuples are taken from the guide as they stand.
WRONG = {
    "01": {
        2: {"15.5 for (c)": "24, 28, 15.5"},
        3: {"`(k - 1) / 2`, which is 1.0 for k = 3": [("// 2", "/ 2")]},
        4: {
            "starts the window at `row`, not at `row * stride`": [
                ("row * stride, column * stride", "row, column")
            ]
        },
        5: {
            "kernel 3, stride 2, dilation 2, padding 2: "
            "the right size, and every second pixel unread": (
                "dict(kernel_size=3, stride=2, dilation=2, padding=2)"
            )
        },
        6: {"the signs turned round": [("answer_6 = ", "answer_6 = -")]},
        7: {"the right dilation and no padding": [(", padding=4", "")]},
        8: {"width first": "21, 24", "a setting of the other side": "16, 21"},
    },
    "02": {
        1: {
            "the two tables in the wrong order": [
                (
                    "[[5, 2], [3, 8]], [[2.75, 1], [1.75, 4]]",
                    "[[2.75, 1], [1.75, 4]], [[5, 2], [3, 8]]",
                )
            ]
        },
        2: {"2 for (c)": "6, 7, 2"},
        3: {"takes the height for both": [("columns = (width", "columns = (height")]},
        4: {"kernel 2, stride 2": "dict(kernel_size=2, stride=2)"},
        6: {
            "shares the tie": "[[0, 0.5, 0], [2, 0.5, 0], [0, 0, 1]]",
            "counts the 4 once": [("[2, 1, 0]", "[1, 1, 0]")],
        },
        7: {
            "keeps the largest numbers and changes a sum": [
                ("[3, 1, 2, 0]", "[3, 2, 2, 0]")
            ]
        },
    },
    "03": {
        3: {"counts the tensors, not their numbers": [("p.numel() for", "1 for")]},
        4: {"`x * mask`": [(" / (1 - p)", "")]},
        5: {"kernel 3 with padding 1": [("kernel_size=1", "kernel_size=3, padding=1")]},
        6: {"adds k − 1 and forgets the strides": [("step *= stride", "pass")]},
        7: {"leaves the softmax in": [("4, 10))", "4, 10), nn.Softmax(dim=1))")]},
        8: {
            "too large a dense layer": [
                ("5, 10))", "5, 100), nn.ReLU(), nn.Linear(100, 10))")
            ],
            "the class instead of a network": "nn.Sequential",
        },
        9: {
            "7,224 and 720,000": "4, 7224, 720_000",
            "the kernels of one group only": "4, 808, 240_000",
        },
    },
    "04": {
        2: {"stops at the `TBackward0`": [("0, 2, 0]", "0, 2]")]},
        3: {
            "`[0][0]` each time": [("[1][0]", "[0][0]")],
            "`[0][0]` at the last step": [
                ("fc2.next_functions[1][0]", "fc2.next_functions[0][0]")
            ],
            "a pair": [
                ("[first, fc2.next_functions[1][0]]", "[first, fc2.next_functions[1]]")
            ],
        },
        4: {
            "`prediction.squeeze()`, which fails for a single pair": [
                (
                    "prediction, target.view_as(prediction)",
                    "prediction.squeeze(), target",
                )
            ]
        },
        5: {"`item()` without `no_grad`": [("with torch.no_grad():", "if True:")]},
        6: {
            "forgets to keep the velocity": [
                (
                    "velocity.mul_(momentum).add_(parameter.grad)",
                    "velocity = momentum * velocity + parameter.grad",
                )
            ]
        },
        7: {"returns −1/x² alone": [("-arriving / x**2", "-1 / x**2")]},
        8: {"no `zero_grad`": [("optimizer.zero_grad()", "pass")]},
        9: {
            "no stride": [("row::stride, column::stride", "row:, column:")],
            "one place too many": (
                "lambda image, arriving, kernel_size, stride:"
                " F.conv2d(image[None], arriving[None, None], dilation=stride)[0]"
            ),
            "a mean": [(".sum()", ".mean()")],
        },
    },
    "05": {
        1: {
            "rounds once at the end": [
                (
                    "epochs * math.ceil(images / batch_size)",
                    "math.ceil(epochs * images / batch_size)",
                )
            ]
        },
        2: {
            "`log(exp(…))` as in the formula": [
                ("logits.logsumexp(dim=1)", "logits.exp().sum(dim=1).log()")
            ]
        },
        3: {
            "forgets `eval()`": [("model.eval()", "pass")],
            "leaves it on": [("model.train(mode)", "pass")],
        },
        4: {
            "no seed": [(", generator=generator", "")],
            "the labels instead of places": [
                ("(labels == k).nonzero()[:, 0]", "labels[labels == k]")
            ],
        },
        5: {"a fixed order": [("SubsetRandomSampler(places)", "places")]},
        6: {"an end below 0": [("max(0, p - margin)", "p - margin")]},
        7: {
            "lets an equal value count as better": [
                ("accuracy > best", "accuracy >= best")
            ]
        },
        8: {"names a line that is innocent": "{1, 2, 3}"},
    },
    "06": {
        1: {"a hook in a loop that knows only the last name": [(", name=name", "")]},
        2: {
            "zeroes the weights": [
                (
                    "with torch.no_grad()",
                    "module.weight.data[k] = 0\n    with torch.no_grad()",
                ),
                ("output[:, k] = value", "pass"),
            ],
            "zeroes those of a copy": [
                (
                    "module = model",
                    "import copy\n    model = copy.deepcopy(model)\n    module = model",
                ),
                (
                    "with torch.no_grad()",
                    "module.weight.data[k] = 0\n    with torch.no_grad()",
                ),
                ("output[:, k] = value", "pass"),
            ],
            "returns nothing": [("        return output\n", "")],
        },
        3: {
            "rows and columns exchanged": [
                ("right / matrix.sum(dim=1)", "right / matrix.sum(dim=0)"),
                ("matrix.sum(dim=0).clamp", "matrix.sum(dim=1).clamp"),
            ],
            "0/0": [(".clamp(min=1)", "")],
        },
        4: {
            "down the loss": [("image + size", "image - size")],
            "the gradient without `sign`": [("slope.sign()", "slope")],
        },
        5: {
            "(column, row)": [
                ("row.item(), column.item()", "column.item(), row.item()")
            ],
            "every pixel with ink counts the same": [
                ("(image):\n", "(image):\n    image = (image > 0).float()\n")
            ],
        },
        6: {
            "every bin counts the same": [
                ("gap * inside.float().mean()", "gap / bins")
            ],
            "gaps of both signs cancel": [(".abs()", "")],
        },
        7: {
            "the farthest": [("argsort()", "argsort(descending=True)")],
            "only the nearest one": [("[:k]", "[:1]")],
        },
        8: {"takes sentence 1 in": [("{2,", "{1, 2,")]},
    },
    "07": {
        1: {"forgets that a stamp is wider than a step": "14, 10, 32"},
        2: {"leaves it out": [(", output_padding=1", "")]},
        3: {
            "the flipped kernel": "[[1, 0, 0], [4, 4, 0], [4, 8, 3]]",
            "the last stamp wins": "[[1, 2, 0], [2, 3, 6], [0, 0, 3]]",
        },
        4: {
            "writes over what stands there": [("place += x", "place[:] = x")],
            "calls torch": (
                "lambda x, kernel, stride:"
                " torch.conv_transpose2d(x[None, None], kernel[None, None], None, stride)[0, 0]"
            ),
        },
        5: {"10 and 3, which also give 28": "dict(kernel_size=10, stride=3)"},
        6: {
            "repeats each winner over its window": (
                "lambda values, places, shape: F.interpolate(values[None, None], shape)[0, 0]"
            )
        },
        7: {
            "kernel_size 3 with stride 2": [
                ("8, 8, 4, stride=2, padding=1", "8, 8, 3, 2, 1, 1")
            ],
            "no sigmoid": [(", nn.Sigmoid()", "")],
        },
        8: {"the two change places": [("model(noisy), clean", "model(clean), noisy")]},
    },
}

# What a checker says where the guide does not quote it.
CAME = r"for .*{}.* the result is \S+, and should be \S+\.$"
SAYS = {
    "names the side and the setting": r"is the height with the stride of the other side",
    "names the picture, the shape that came and the one that should": (
        r"for image of shape .+ the result has the shape \(.+\); give 2 rows of 3 numbers"
    ),
    "names the network, the number that came and the one that should": CAME.format(
        "net"
    ),
    "gives the first place that differs, and both numbers": r"is \S+ at \[\d\], and should be \S+\.$",
    "names the stack, the number that came and the one that should": CAME.format(
        "layers"
    ),
    "names each node on the way, and that the end is no leaf": (
        r"MseLossBackward0 → \w+ → .+ → TBackward0, which is no leaf"
    ),
    "names the case, the number that came and the one that should": CAME.format(
        "images"
    ),
    "names the run, the number that came and the one that should": CAME.format(
        "accuracies"
    ),
    "how many of nine are found": r"\b2 of nine found",
    "names the case and the number": r"for x .+, kernel .+, stride \d the result is \S+ at .+, and should be \S+\.$",
    "names the place that should be 0": r"at \[\d, \d\], and should be 0\.$",
}


@cache
def solutions(path):
    return [*solved(path)]


def given(wrong, path, number):
    """Return the answer that a wrong one of the table makes, with the checker that gets it."""
    space, name, variable, solution = solutions(path)[number - 1]
    space = dict(space)
    if isinstance(wrong, str):
        return getattr(space["checks"], name), eval(wrong, space)
    for old, new in wrong:
        assert old in solution, old
        solution = solution.replace(old, new)
    exec(solution, space)
    return getattr(space["checks"], name), space[variable]


def parts(column):
    """Return what the guide quotes or describes, one after the other, as patterns."""
    found = re.findall(r"“(.+?)”|([^“”]+)", column)
    words = [
        (quoted, re.sub(r"^(, )?(or |and )?|,? $", "", other))
        for quoted, other in found
    ]
    return [
        re.escape(quoted) if quoted else SAYS[other]
        for quoted, other in words
        if quoted or other
    ]


EXERCISES = [
    pytest.param(path, *row, id=f"{path.name[:2]}-{row[0]}")
    for path in NOTEBOOKS
    for row in rows(path, COLUMNS)
]


@pytest.mark.parametrize(("path", "number", "trains", "wrong", "says"), EXERCISES)
def test_a_typical_wrong_answer_is_told_what_the_guide_says(
    path, number, trains, wrong, says
):
    number, patterns, names = int(number), parts(says), re.split("; |, or ", wrong)
    known = WRONG[path.name[:2]].get(number, {})
    literal = {
        one: re.sub(r"(?<=\d),(?=\d{3})", "", one)
        for one in names
        if re.fullmatch(r"[\d,/() ]+", one)
    }
    assert names == [one for one in names if one in known or one in literal], (
        "the test has no such answer"
    )
    assert {*known} <= {*names}, "the guide no longer has such an answer"
    verdicts = [said(*given((literal | known)[one], path, number)) for one in names]
    if len(verdicts) < len(patterns):
        verdicts = verdicts * len(patterns)
    for pattern, verdict in zip(patterns, verdicts, strict=True):
        assert verdict.startswith("✗ Not yet: ") and re.search(pattern, verdict), (
            verdict
        )


def class_table():
    """Return the first column of the table of what goes wrong in class."""
    table = TEXT[TEXT.index("## What goes wrong in class") :]
    return re.findall(r"^\| (?!What happens|---)(.+?) \| .+ \|$", table, re.M)


def offline():
    raise digits._NotHadError("no network")


def messages(tmp_path, monkeypatch):
    """Yield what the course says where a class meets it, one message after the other."""
    monkeypatch.setenv("MNIST_ROOT", str(tmp_path))
    with pytest.raises(digits.MnistRootError) as flaw:
        digits.load_digits()
    yield str(flaw.value)
    monkeypatch.delenv("MNIST_ROOT")
    monkeypatch.setattr(digits, "DATA", tmp_path)
    monkeypatch.setattr(digits, "_download", offline)
    yield said(digits.load_digits)
    yield said(lesson_01.one_window)
    yield said(lesson_01.one_window, 10)
    yield said(lesson_01.padding_to_keep, lambda kernel_size: 1 / 0)
    (tmp_path / "Ada").mkdir()
    yield str(classes.rows(tmp_path))


def jupyterlab():
    """Return the scripts and menus of JupyterLab, and the scripts of its widgets."""
    share = Path(sys.prefix, "share", "jupyter")
    widgets = share / "labextensions" / "@jupyter-widgets" / "jupyterlab-manager"
    scripts = (share / "lab" / "static").glob("*.js"), widgets.rglob("*.js")
    menus = (share / "lab" / "schemas").rglob("*.json")
    return "".join(path.read_text(encoding="utf-8") for path in chain(*scripts, menus))


def test_what_goes_wrong_in_class_is_said_in_these_words(tmp_path, monkeypatch):
    quoted = {one for row in class_table() for one in re.findall('"(.+?)"', row)}
    assert len(quoted) >= 4
    heard = "".join(messages(tmp_path, monkeypatch)) + jupyterlab()
    parts = [part for one in quoted for part in one.split("…")]
    assert not [part.strip() for part in parts if part.strip() not in heard]
    for pattern in (
        r"MNIST_ROOT is '.+?', in which MNIST/raw/.+ is missing",
        "your answer stopped with ZeroDivisionError",
    ):
        assert re.search(pattern, heard)


def test_menus_that_the_guide_names_are_jupyterlabs():
    entries = {
        name
        for path in re.findall(r"\*([^*]+ → [^*]+)\*", TEXT)
        for name in path.split(" → ")
    }
    entries |= set(re.findall(r"[Pp]anel \*(.+?)\*", TEXT))
    assert {"Run All Above Selected Cell", "Running Terminals and Kernels"} <= entries
    shipped = jupyterlab()
    assert not [name for name in entries if name not in shipped]
