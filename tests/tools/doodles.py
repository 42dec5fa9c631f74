"""Drawings that are no digits, as strokes: lists of [x, y] points from 0 to 1, y down.

The pad's limits were chosen with DOODLES and scribbles(0) in sight, not with OTHERS.
"""

import math
import random

from strokes import arc


def line(numbers):
    """Return the points of a stroke, written as their x and y in hundredths."""
    flat = [int(number) / 100 for number in numbers.split()]
    return [[*point] for point in zip(flat[::2], flat[1::2], strict=True)]


def lines(*written):
    return [line(numbers) for numbers in written]


def ring(x, y, across, down=None):
    return arc(x, y, across, down or across, 0, 1)


def _spiral():
    turns = [2 * math.pi * step / 24 for step in range(73)]
    return [
        [0.5 + turn / 45 * math.cos(turn), 0.5 + turn / 45 * math.sin(turn)]
        for turn in turns
    ]


def _star():
    turns = [2 * math.pi * (0.75 + 0.4 * corner) for corner in range(6)]
    return [[0.5 + 0.4 * math.cos(t), 0.5 + 0.4 * math.sin(t)] for t in turns]


def _heart():
    turns = [2 * math.pi * step / 40 for step in range(41)]
    across = [0.5 + 0.38 * math.sin(t) ** 3 for t in turns]
    height = [
        13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) for t in turns
    ]
    return [[x, 0.45 - h / 40] for x, h in zip(across, height, strict=True)]


EYES = [ring(0.36, 0.4, 0.03), ring(0.64, 0.4, 0.03)]
GRID = "20 10 20 90", "40 10 40 90", "60 10 60 90", "80 10 80 90"
RUNGS = "10 20 90 20", "10 40 90 40", "10 60 90 60", "10 80 90 80"
DOODLES = {
    "house": lines("20 90 20 45 50 12 80 45 80 90 20 90"),
    "U": [line("20 10 20 60") + arc(0.5, 0.6, 0.3, 0.3, 0.5, 0) + line("80 60 80 10")],
    "ring with dot": [ring(0.5, 0.5, 0.38), ring(0.5, 0.5, 0.03)],
    "A": lines("20 90 50 10 80 90", "30 60 70 60"),
    "H": lines("22 10 22 90", "78 10 78 90", "22 50 78 50"),
    "tick": lines("15 55 40 85 85 15"),
    "plus": lines("50 10 50 90", "10 50 90 50"),
    "中": lines("20 30 80 30 80 62 20 62 20 30", "50 8 50 95"),
    "?": [
        arc(0.5, 0.3, 0.22, 0.2, 0.5, 1.2) + line("52 52 50 68"),
        ring(0.5, 0.88, 0.02),
    ],
    "zigzag": [[[x / 8, 0.1 if x % 2 else 0.9] for x in range(1, 8)]],
    "star": [_star()],
    "triangle": lines("50 12 88 85 12 85 50 12"),
    "spiral": [_spiral()],
    "E": lines("75 10 25 10 25 90 75 90", "25 50 68 50"),
    "F": lines("75 10 25 10 25 90", "25 48 68 48"),
    "K": lines("25 10 25 90", "75 10 25 52 78 90"),
    "M": lines("12 90 20 10 50 65 80 10 88 90"),
    "W": lines("10 10 28 90 50 30 72 90 90 10"),
    "X": lines("15 10 85 90", "85 10 15 90"),
    "Y": lines("15 10 50 50 85 10", "50 50 50 92"),
    "R": [
        line("25 92 25 10 45 10")
        + arc(0.45, 0.3, 0.28, 0.2, -0.25, 0.25)
        + line("25 50"),
        line("45 50 78 92"),
    ],
    "heart": [_heart()],
    "arrow": lines("10 50 88 50", "62 25 90 50 62 75"),
    "face": [ring(0.5, 0.5, 0.42), *EYES, arc(0.5, 0.55, 0.2, 0.15, 0.05, 0.45)],
    "cross-hatch": lines("10 40 60 90", "10 10 90 90", "40 10 90 60")
    + lines("60 10 10 60", "90 10 10 90", "90 40 40 90"),
    "dots": [[[x / 4, y / 4]] for x in range(1, 4) for y in range(1, 4)],
    "line grid": lines(*GRID, *RUNGS),
    "square": lines("15 15 85 15 85 85 15 85 15 15"),
    "envelope": lines("10 25 90 25 90 78 10 78 10 25 50 55 90 25"),
    "wave": [arc(0.3, 0.5, 0.2, 0.2, 0.5, 1) + arc(0.7, 0.5, 0.2, 0.2, 0.5, 0)],
    "N": lines("22 90 22 10 78 90 78 10"),
}
OTHERS = {
    "T": lines("12 12 88 12", "50 12 50 92"),
    "V": lines("15 10 50 90 85 10"),
    "L": lines("28 10 28 90 78 90"),
    "G": [arc(0.5, 0.5, 0.35, 0.4, -0.1, -1.0) + line("85 50 55 50")],
    "Q": [ring(0.5, 0.47, 0.36), line("58 62 88 92")],
    "D": [line("25 10 25 90") + arc(0.25, 0.5, 0.5, 0.4, 0.25, -0.25)],
    "@": [ring(0.5, 0.5, 0.16), arc(0.5, 0.5, 0.4, 0.4, 0.2, -0.8)],
    "#": lines("38 10 30 90", "70 10 62 90", "12 35 90 35", "10 65 88 65"),
    "%": [line("80 10 20 90"), ring(0.28, 0.26, 0.14), ring(0.72, 0.74, 0.14)],
    "=": lines("15 38 85 38", "15 64 85 64"),
    "π": lines("10 22 90 22", "34 22 28 90", "66 22 70 90"),
    "λ": lines("30 10 45 12 80 90", "50 35 20 90"),
    "Ω": [
        line("10 88 38 88")
        + arc(0.5, 0.45, 0.36, 0.36, 0.32, 1.18)
        + line("62 88 90 88")
    ],
    "山": lines("15 40 15 85 85 85 85 40", "50 12 50 85"),
    "大": lines("12 38 88 38", "50 8 48 45 15 92", "50 45 85 92"),
    "田": lines("15 15 85 15 85 85 15 85 15 15", "50 15 50 85", "15 50 85 50"),
    "note": [ring(0.35, 0.8, 0.13, 0.1), line("48 80 48 10 75 25")],
    "fish": [ring(0.42, 0.5, 0.32, 0.22), line("72 50 92 30 92 70 72 50")],
    "tree": lines("50 10 82 65 18 65 50 10", "50 65 50 92"),
    "cup": [
        line("20 25 25 85 65 85 70 25 20 25"),
        arc(0.7, 0.5, 0.2, 0.16, -0.25, 0.25),
    ],
    "key": [
        ring(0.25, 0.5, 0.16),
        line("41 50 92 50"),
        line("75 50 75 66"),
        line("88 50 88 66"),
    ],
    "umbrella": [
        arc(0.5, 0.5, 0.42, 0.38, 0.5, 1) + line("8 50"),
        line("50 50 50 82") + arc(0.58, 0.82, 0.08, 0.1, 0.5, 0),
    ],
    "lightning": lines("60 8 28 52 68 48 35 94"),
    "infinity": [ring(0.28, 0.5, 0.2, 0.16), ring(0.7, 0.5, 0.22, 0.17)],
    "diamond": lines("50 8 82 50 50 92 18 50 50 8"),
    "moon": [
        arc(0.55, 0.5, 0.38, 0.4, -0.2, -0.8) + arc(0.75, 0.5, 0.3, 0.38, 0.3, 0.7)
    ],
    "flag": lines("25 92 25 10 82 28 25 46"),
    "clock": [ring(0.5, 0.5, 0.4), line("50 22 50 50 70 60")],
    "stick figure": [ring(0.5, 0.2, 0.11)]
    + lines("50 31 50 62", "22 42 78 42", "28 92 50 62 72 92"),
    "boat": lines("10 62 90 62 75 85 25 85 10 62", "50 62 50 10 80 52"),
    "ladder": lines(
        "30 8 30 92", "70 8 70 92", "30 25 70 25", "30 50 70 50", "30 75 70 75"
    ),
}


def scribbles(seed):
    """Return 30 lines, each through 15 points at random."""
    dice = random.Random(seed)
    return {
        f"scribble {number}": [[[dice.random(), dice.random()] for _ in range(15)]]
        for number in range(30)
    }
