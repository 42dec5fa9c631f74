"""What the bench of a layer shows, number by number, against torch: every view, over
the whole signature.
"""

import pytest
import torch
import windows
from page import BOARDS, change, exact_values, held, numbers, open_bench
from torch import nn

from helpers.widgets.layer_bench import LayerBench
from helpers.widgets.signatures import KINDS

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(browser):
    page = open_bench(browser, LayerBench(nn.Conv2d(1, 1, 3))._view)
    yield page
    page.close()


def boards(page, name):
    """Return the boards of a name, one for each channel."""
    return torch.stack(windows.named(page.evaluate(BOARDS), name, numbers))


def gradient(page):
    """Return the gradient of the input without the cells of the padding."""
    found = boards(page, "Gradient of the input")
    kept = ~found[0].isnan()
    return found[:, kept.any(1)][:, :, kept.any(0)]


# The quick tier looks at a sample of the settings; the whole suite at more, and
# tests/tools/windows.py at every one. No range of a setting has as many values.
@pytest.mark.parametrize("every", [97, pytest.param(11, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", KINDS)
def test_squares_show_torchs_numbers(page, kind, every):
    endings = windows.compared(page, windows.squares(kind)[::every])
    assert endings["equal"] > 1000 / every and endings["refused"] > 300 / every


@pytest.mark.parametrize("count", [120, pytest.param(800, marks=pytest.mark.slow)])
def test_random_settings_of_the_whole_signature_show_torchs_numbers(page, count):
    endings = windows.compared(page, windows.drawn(count, seed=count))
    assert endings["equal"] > count / 3 and endings["refused"] > count / 3


def sampled(cases, *quick):
    """Return the names of all cases; those that are not quick are marked slow."""
    slow = pytest.mark.slow
    return [name if name in quick else pytest.param(name, marks=slow) for name in cases]


MATRICES = {
    "plain": lambda: nn.Conv2d(1, 1, 3, bias=False),
    "rectangle": lambda: nn.Conv2d(2, 2, (3, 2), (2, 1), (1, 0)),
    "depthwise": lambda: nn.Conv2d(2, 4, 3, groups=2),
    "mirrored": lambda: nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"),
    "transposed": lambda: nn.ConvTranspose2d(2, 2, 2, padding=(1, 0), groups=2),
    "max": lambda: nn.MaxPool2d(2, padding=1),
    "average": lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False),
}


@pytest.mark.parametrize("name", sampled(MATRICES, "rectangle", "transposed", "max"))
def test_the_matrix_is_torchs_jacobian_and_is_transposed_by_a_button(opened, name):
    bench = LayerBench(MATRICES[name](), "random", size=4, view="matrix")
    page = opened(bench)
    truth = torch.autograd.functional.jacobian(bench.layer, bench.input.clone())
    truth = truth.reshape(bench.output.numel(), bench.input.numel())
    assert windows.close(boards(page, "Matrix")[0], truth)
    assert windows.close(bench.matrix, truth)
    size = "×".join(map(str, truth.shape))
    assert page.locator("h4").first.inner_text().startswith(f"Matrix {size}: a row for")
    button = page.get_by_role("button", name="transpose")
    button.press("Enter")
    assert button.get_attribute("aria-pressed") == "true"
    assert held(page, "transposed") is True
    assert windows.close(boards(page, "Matrix")[0], truth.T)
    assert page.locator("h4").first.inner_text().startswith("Transposed matrix")


def test_the_row_of_the_matrix_that_is_pointed_at_is_the_chosen_output(opened):
    bench = LayerBench(nn.Conv2d(1, 2, 3), size=4, view="matrix")
    page = opened(bench)
    page.locator("[aria-label=Matrix] [data-row='6'][data-column='3']").hover()
    assert (held(page, "channel"), held(page, "step")) == (1, 2)
    marked = page.locator("[aria-label=Matrix] .current")
    assert {
        int(row)
        for row in marked.evaluate_all("all => all.map(one => one.dataset.row)")
    } == {6}
    assert marked.count() == 16


STAMPING = [
    nn.ConvTranspose2d(1, 1, 3, stride=2),
    nn.ConvTranspose2d(1, 2, 3, stride=1, dilation=2, padding=(2, 0)),
]


@pytest.mark.parametrize(
    "layer",
    [
        nn.ConvTranspose2d(2, 1, (3, 2), stride=2, padding=1, output_padding=1),
        *(pytest.param(layer, marks=pytest.mark.slow) for layer in STAMPING),
    ],
    ids=repr,
)
def test_the_stamps_of_all_inputs_add_up_to_the_output(opened, layer):
    bench = LayerBench(layer, "random", size=(3, 4), view="stamps")
    bench.channel = bench._channels - 1
    page = opened(bench)
    truth = bench.output[bench.channel]
    found = torch.zeros_like(truth) + bench.bias[bench.channel]
    for step in range(12):
        change(page, step=step)
        stamp = boards(page, "Products under the window").sum(0)
        kept = ~stamp.isnan()
        rows, columns = (place(kept.any(1 - axis), bench.dilation) for axis in (0, 1))
        frame = page.evaluate(
            """() => [...document.querySelectorAll("[aria-label^=Output] .bench-frame[style]")].map(({ style }) =>
                 [style.top, style.left].map(parseFloat))"""
        )
        if not frame:  # all of the stamp falls into what the padding takes off
            assert not kept.any()
            continue
        ((top, left),) = frame
        top = round(top / 100 * len(truth)) + rows
        left = round(left / 100 * truth.shape[1]) + columns
        found[top[:, None], left] += stamp[kept.any(1)][:, kept.any(0)]
        status = page.inner_text(".bench-status")
        assert status == f"Step {step}: input[{step // 4}, {step % 4}]"
    assert torch.allclose(found, truth, atol=1e-9)


def place(kept, dilation):
    """Return where the kept ones stand from the first, in pixels of the output."""
    return (kept.nonzero().flatten() - int(kept.nonzero()[0])) * dilation


def test_the_chosen_output_alone_sends_back(opened):
    bench = LayerBench(nn.Conv2d(2, 2, 3, padding=1), "random", size=5, view="backward")
    page = opened(bench)
    assert windows.close(gradient(page), bench.gradients.input)
    page.get_by_role("button", name="one output alone").press("Enter")
    page.locator("[aria-label='Sent back 1'] [data-row='2'][data-column='3']").hover()
    bench.alone, bench.step, bench.channel = True, 13, 1
    assert windows.close(gradient(page), bench.gradients.input)
    kernels = boards(page, "Gradient of the kernel")
    assert windows.close(kernels, bench.gradients.weight[1])
    assert page.inner_text(".bench-sum") == "gradient of the bias: 0, 1"


def test_what_is_sent_back_is_typed_in(opened):
    bench = LayerBench(nn.MaxPool2d(2, stride=1), "random", size=4, view="backward")
    page = opened(bench)
    for row, column, text in ((0, 0, "1/3"), (1, 2, "-2"), (2, 2, "0")):
        page.locator(
            f"[aria-label='Sent back'] [data-row='{row}'][data-column='{column}']"
        ).focus()
        page.keyboard.type(text)
        page.keyboard.press("Enter")
    bench.sent = [[1 / 3, 1, 1], [1, 1, -2], [1, 1, 0]]
    assert held(page, "sent_own") == bench.sent.tolist()
    assert windows.close(gradient(page), bench.gradients.input)


LINES = {
    "plain": lambda: LayerBench(nn.Conv2d(1, 1, 3, bias=False), weight="Sobel x"),
    "rectangles": lambda: LayerBench(
        nn.Conv2d(3, 4, (3, 2), (2, 1), (1, 0)), size=(9, 12), view="backward", step=4
    ),
    "own numbers": lambda: LayerBench(
        nn.ConvTranspose2d(2, 2, 2, 3, groups=2, output_padding=1),
        torch.arange(8.0).view(2, 2, 2) / 3,
        channel=1,
        view="stamps",
    ),
    "same": lambda: LayerBench(
        nn.Conv2d(1, 1, 3, padding="same", padding_mode="circular"), weight="box"
    ),
    "channels": lambda: LayerBench(nn.MaxPool2d(2), in_channels=3, channel=2),
    "sent": lambda: LayerBench(
        nn.AvgPool2d(2, divisor_override=3),
        size=4,
        sent=[[1, 2], [3, 0.1]],
        alone=True,
        view="backward",
    ),
    "transposed": lambda: LayerBench(
        nn.Conv2d(1, 2, 2, padding=1),
        size=3,
        weight="box",
        view="matrix",
        transposed=True,
        step=15,
    ),
}


@pytest.mark.parametrize("name", sampled(LINES, "plain", "sent", "transposed"))
def test_the_line_of_the_whole_bench_makes_the_same_bench(opened, name):
    bench = LINES[name]()
    page = opened(bench)
    if bench.sent.mean() != 1:  # what was typed is kept where the output grows
        bench.padding = 1
        change(page, padding=1)
    page.get_by_role("button", name="Copy the bench").click()
    page.wait_for_function("document.querySelector('.bench-note').textContent")
    line = page.inner_text(".bench-note")
    assert repr(eval(line, {"LayerBench": LayerBench, "nn": nn})) == repr(bench)
    if "[" not in line:  # else Python writes 1.0 where the page writes 1
        assert line == repr(bench)


def test_a_sum_says_equal_only_where_the_shown_numbers_add_up(opened):
    page = opened(LayerBench(nn.AvgPool2d(2), [[1, 2], [3, 0.25]]))
    assert page.inner_text(".bench-sum") == "(1 + 2 + 3 + 0.25) / 4 = 1.5625"
    change(page, input_own=[[[1, 2], [3, 1 / 3]]])
    assert page.inner_text(".bench-sum") == "(1 + 2 + 3 + 0.33) / 4 ≈ 1.5833"


def test_each_side_has_its_formula_where_they_differ(opened):
    page = opened(LayerBench(nn.Conv2d(1, 1, (3, 1), stride=(2, 1)), size=(8, 5)))
    assert page.inner_text(".bench-formula").split("\n")[1:] == [
        "height = ⌊(8 + 2·0 − 1·(3 − 1) − 1) / 2⌋ + 1 = ⌊2.5⌋ + 1 = 3",
        "width = ⌊(5 + 2·0 − 1·(1 − 1) − 1) / 1⌋ + 1 = 4 + 1 = 5",
    ]
    assert exact_values(page.evaluate(BOARDS)["Output"]).shape == (3, 5)
