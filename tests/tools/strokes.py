"""Plain digits as strokes, written down for the tests: lists of [x, y] points from 0 to
1, x to the right; and a mouse that draws them on the pad.
"""

import math

# The 1st and the 99th percentile of the means and of the standard deviations of MNIST's
# 10,000 test images.
MEANS, SPREADS = (0.0485, 0.2534), (0.1888, 0.4108)


def arc(x, y, across, down, start, end):
    """Return points on a part of an ellipse, clockwise, in turns from its right end."""
    turns = [2 * math.pi * (start + (end - start) * step / 20) for step in range(21)]
    return [[x + across * math.cos(turn), y + down * math.sin(turn)] for turn in turns]


DIGITS = {
    "0": [arc(0.5, 0.5, 0.28, 0.4, -0.25, 0.75)],
    "1": [[[0.5, 0.1], [0.5, 0.9]]],
    "2": [arc(0.5, 0.3, 0.25, 0.2, 0.5, 1.08) + [[0.25, 0.9], [0.78, 0.9]]],
    "3": [
        arc(0.47, 0.3, 0.22, 0.19, 0.6, 1.25) + arc(0.47, 0.69, 0.25, 0.2, -0.25, 0.42)
    ],
    "4": [[[0.4, 0.1], [0.2, 0.6], [0.8, 0.6]], [[0.62, 0.3], [0.62, 0.92]]],
    "5": [
        [[0.75, 0.1], [0.32, 0.1], [0.28, 0.45]]
        + arc(0.48, 0.66, 0.26, 0.24, -0.32, 0.4)
    ],
    "6": [
        [[0.62, 0.08], [0.4, 0.35], [0.3, 0.65]] + arc(0.51, 0.68, 0.21, 0.21, 0.5, 1.5)
    ],
    "7": [[[0.2, 0.1], [0.8, 0.1], [0.42, 0.9]]],
    "8": [
        arc(0.5, 0.29, 0.19, 0.18, 0.25, -0.75)
        + arc(0.5, 0.69, 0.23, 0.21, -0.25, 0.75)
    ],
    "9": [arc(0.48, 0.33, 0.22, 0.22, 0.0, -1.0) + [[0.69, 0.45], [0.62, 0.92]]],
}
OTHER_STYLES = {
    "1": [[[0.35, 0.25], [0.52, 0.08], [0.52, 0.92]]],
    "4": [[[0.62, 0.92], [0.62, 0.1], [0.2, 0.62], [0.82, 0.62]]],
    "7": [[[0.2, 0.12], [0.8, 0.12], [0.4, 0.92]], [[0.36, 0.5], [0.72, 0.5]]],
}


def placed(strokes, side=1.0, left=0.0, top=0.0):
    """Return strokes in a square of this side, with its corner at left and top."""
    return [
        [[left + side * x, top + side * y] for x, y in stroke] for stroke in strokes
    ]


def slanted(strokes):
    """Return strokes that lean to the right, three quarters as wide."""
    return [
        [[0.14 + 0.72 * (x + 0.3 * (0.5 - y)), y] for x, y in stroke]
        for stroke in strokes
    ]


def wavering(strokes):
    """Return strokes of an unsteady hand, leaning to the left, as wide as slanted."""
    return [
        [
            [
                0.14 + 0.72 * (x - 0.12 * (0.5 - y)) + 0.03 * math.sin(9 * y),
                0.05 + 0.9 * y + 0.03 * math.sin(7 * x),
            ]
            for x, y in stroke
        ]
        for stroke in strokes
    ]


# 39 digits as most people write them: each style upright, slanted and wavering.
PLAIN = [
    (int(name), form(strokes))
    for form in (placed, slanted, wavering)
    for name, strokes in [*DIGITS.items(), *OTHER_STYLES.items()]
]


def draw_strokes(page, strokes, between=3):
    """Draw strokes, in shares of the pad's side, where it is in sight."""
    box = page.locator("canvas.sketch").bounding_box()
    for stroke in strokes:
        places = [
            (box["x"] + box["width"] * x, box["y"] + box["height"] * y)
            for x, y in stroke
        ]
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places[1:]:
            page.mouse.move(*place, steps=between)
        page.mouse.up()
