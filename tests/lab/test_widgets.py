"""The benches by keyboard in a real JupyterLab, with and without a kernel; none lacks a
name or is wider than its place.
"""

import lab
import pytest
from benches import SOURCES, end_kernel, opens, restart_kernel, said
from test_browser import choose, in_kernel, press, slider

pytestmark = pytest.mark.browser


@opens("pooling")
def test_every_control_of_pooling_works_by_keyboard_and_python_follows(opened):
    for name in ("kernel_size", "padding", "stride", "input_size"):
        press(opened, name, "ArrowRight")
    press(opened, "step", "ArrowRight", "ArrowRight")
    opened.get_by_label("ceil_mode").focus()
    opened.keyboard.press("Space")
    opened.get_by_text("more settings").click()
    choose(opened, "layer", "AvgPool2d")
    lab.settle(opened)
    assert said(opened, "code code") == in_kernel(opened, "bench.code")
    assert in_kernel(opened, "bench") == (
        "LayerBench(nn.AvgPool2d(kernel_size=3, stride=3, padding=1, ceil_mode=True, "
        "count_include_pad=True), picture='digit', size=9, step=2)"
    )
    cells = opened.locator("[aria-label=Output] [role=gridcell]")
    shown = [
        f"{float(value):.4f}"
        for value in cells.evaluate_all("cells => cells.map(cell => cell.title)")
    ]
    assert (
        shown
        == in_kernel(
            opened, "*(f'{value:.4f}' for value in bench.output.flatten().tolist())"
        ).split()
    )


@opens("pooling")
def test_no_key_that_is_meant_for_the_bench_reaches_a_shortcut(opened):
    cell = opened.locator("[aria-label^=Input] [data-row='1'][data-column='1']")
    cell.focus()
    for key in ("ArrowDown", "j", "ArrowUp", "a", "ArrowDown"):
        opened.keyboard.press(key)
    assert opened.evaluate("document.activeElement.dataset.row") == "2"
    slider(opened, "input_size").focus()
    opened.keyboard.press("ArrowUp")
    opened.wait_for_timeout(100)
    assert slider(opened, "input_size").get_attribute("aria-valuenow") == "9.0"
    assert slider(opened, "input_size").get_attribute("aria-label") == "input_size"
    opened.locator(".bench-step").focus()
    for key in ("ArrowDown", "b", "ArrowRight"):
        opened.keyboard.press(key)
    assert opened.evaluate("jupyterapp.shell.currentWidget.content.widgets.length") == 1


@opens("pooling")
def test_python_moves_the_boxes_and_the_lists(opened):
    assert (
        in_kernel(
            opened,
            "setattr(bench, 'kind', 'AvgPool2d') or bench.set(ceil_mode=True, padding=1)",
        )
        == "None"
    )
    lab.settle(opened)
    assert opened.get_by_label("ceil_mode").is_checked()
    assert "padding=1, ceil_mode=True, count_include_pad=True" in said(
        opened, "code code"
    )
    opened.get_by_text("more settings").click()
    layer = opened.locator(
        ".widget-dropdown:has(.widget-label:text-is('layer')) select"
    )
    assert layer.input_value() == "AvgPool2d"


@opens("channels")
def test_gradients_of_channels_that_python_and_page_choose_are_the_same(opened):
    opened.get_by_role("button", name="one output alone").press("Enter")
    opened.locator("[aria-label='Sent back 2'] [data-row='3'][data-column='1']").hover()
    lab.settle(opened)
    assert in_kernel(opened, "bench.alone, bench.channel, bench.step") == "True 2 37"
    cells = opened.locator("[aria-label^='Gradient of the input'] .tap")
    shown = cells.evaluate_all("cells => cells.map(cell => (+cell.title).toFixed(4))")
    asked = (
        "*(f'{v:.4f}' for v in bench.gradients.input[:, 2:5, :3].flatten().tolist())"
    )
    assert shown == in_kernel(opened, asked).split()


@opens("dropout")
def test_p_and_draw_move_by_arrow_keys_and_play_walks(opened):
    press(opened, "p", "ArrowRight", "ArrowRight", "ArrowRight")
    press(opened, "draw", "ArrowRight")
    lab.settle(opened)
    assert (
        said(opened, "code code")
        == in_kernel(opened, "bench.code")
        == "nn.Dropout(p=0.65).train()"
    )
    dropped = int(in_kernel(opened, "64 - int(bench.mask.sum())"))
    assert said(opened, "status") == f"Draw 2: {dropped} of 64 numbers are dropped."
    opened.locator("input[type=checkbox]").focus()
    opened.keyboard.press("Space")
    assert said(opened, "status") == "eval: no number is dropped."
    opened.keyboard.press("Space")
    opened.locator(".widget-play button").first.click()
    opened.wait_for_function(
        "document.querySelector('.bench-status').textContent.startsWith('Draw 4')",
        timeout=10_000,
    )


@opens("digits")
def test_the_point_on_the_map_moves_by_keys_and_pointer_and_python_follows(opened):
    opened.locator(".map-plane").focus()
    for key in ("ArrowUp", "Shift+ArrowRight", "j"):
        opened.keyboard.press(key)
    assert opened.evaluate("jupyterapp.shell.currentWidget.content.widgets.length") == 1
    press(opened, "number 0", "ArrowRight")
    lab.settle(opened)
    assert said(opened, "code code") == in_kernel(opened, "bench.code")
    steps = "[round((p - (a['low'] + a['high']) / 2) / a['step']) for p, a in zip(bench.point, bench._axes)]"
    assert in_kernel(opened, steps) == "[11, 1]"
    plane = opened.locator(".map-plane").bounding_box()
    opened.mouse.click(plane["x"] + 30, plane["y"] + plane["height"] - 40)
    opened.get_by_label("all over the plane").focus()
    opened.keyboard.press("Space")
    lab.settle(opened)
    assert said(opened, "code code") == in_kernel(opened, "bench.code")
    assert in_kernel(opened, "bench.all") == "True"
    assert opened.locator(".map-plane .heat").is_visible()
    assert in_kernel(opened, "setattr(bench, 'point', (1, -1)), bench.point") == (
        "None (1.0, -1.0)"
    )
    opened.wait_for_function(
        "document.querySelector('.bench code').textContent.includes('[[1.00, -1.00]]')"
    )


@opens("stepper")
def test_gradients_are_walked_by_keyboard_by_play_and_from_python(opened):
    assert said(opened, "status") == "Step 0 of 25: MseLossBackward0 scalar."
    press(opened, "step", "ArrowRight", "ArrowRight")
    assert said(opened, "status") == "Step 2 of 25: fc3.bias 10."
    assert opened.inner_text(".grad-scroll tr.filled").startswith("fc3.bias")
    assert in_kernel(opened, "bench") == "BackwardStepper at step 2 of 25: fc3.bias 10"
    norm = in_kernel(
        opened, "f'{float(bench.record.gradients()[\"fc3.bias\"].norm()):.4g}'"
    )
    assert opened.inner_text(".grad-scroll tr.filled td:last-child") == f"norm {norm}"
    assert (
        in_kernel(opened, "setattr(bench, 'step', 23), net.conv1.bias.grad")
        == "None None"
    )
    opened.wait_for_function(
        "document.querySelector('.bench-status').textContent.startsWith('Step 23')"
    )
    assert slider(opened, "step").get_attribute("aria-valuenow") == "23.0"
    opened.locator(".widget-play button").first.click()
    opened.wait_for_function(
        "document.querySelector('.bench-status').textContent.startsWith('Step 25')",
        timeout=10_000,
    )
    assert (
        opened.locator(".graph-node.current")
        .text_content()
        .startswith("25  conv1.bias")
    )


WITHOUT_KERNEL = {
    "convolution": ("stride", "kernel_size=3, stride=2"),
    "pooling": ("kernel_size", "kernel_size=3, stride=2"),
    "dropout": ("p", "nn.Dropout(p=0.55)"),
    "digits": ("number 1", "torch.tensor([[0.00, 0.05]])"),
    "stepper": ("step", "Step 1 of 25: AddmmBackward0 fc3 · 1×10."),
    "tracer": ("channels", "nn.Conv2d(2, 6, kernel_size=3)"),
    "walk": ("layer", "image 0, a 0, after 1 "),
}


@pytest.mark.parametrize("end", [end_kernel, restart_kernel])
def test_they_go_on_without_a_kernel(notebook, end):
    lab.show(
        notebook,
        "\n".join(
            f"{SOURCES[name].removesuffix('bench')}display(bench)"
            for name in WITHOUT_KERNEL
        ),
    )
    end(notebook)
    shown = notebook.locator(".widget-vbox:has(.bench)")
    for number, (moved, line) in enumerate(WITHOUT_KERNEL.values()):
        bench = shown.nth(number)
        assert line not in bench.inner_text()
        bench.locator(
            f".widget-slider:has(.widget-label:text-is('{moved}')) .noUi-handle"
        ).press("ArrowRight")
        notebook.wait_for_timeout(50)
        assert line in bench.inner_text()


@pytest.mark.parametrize(
    ("opened", "names"),
    [("film", ["moment"]), ("walk", ["image", "layer"])],
    indirect=["opened"],
)
def test_pages_are_turned_by_keyboard_by_play_and_from_python_and_without_a_kernel(
    opened, names
):
    for name in names:
        press(opened, name, "ArrowRight", "ArrowRight")
        assert in_kernel(opened, f"bench.{name}") == "2"
    assert said(opened, "status") == in_kernel(opened, "bench.says")
    assert in_kernel(opened, f"setattr(bench, '{names[-1]}', 4), bench.says")[
        5:
    ] == said(opened, "status")
    assert slider(opened, names[-1]).get_attribute("aria-valuenow") == "4.0"
    opened.locator(".widget-play button").first.click()
    opened.wait_for_timeout(1300)
    opened.locator(".widget-play button").first.click()
    assert float(slider(opened, names[-1]).get_attribute("aria-valuenow")) >= 5
    end_kernel(opened)
    before = said(opened, "status")
    press(opened, names[0], "ArrowLeft")
    assert (
        said(opened, "status") != before
        and opened.locator(".strip canvas").count() >= 1
    )


# What a control or a picture is without a name for those who do not see it.
NAMELESS = """() => [...document.querySelectorAll(".jp-OutputArea-output .widget-vbox "
    + ":is(button, input, select, canvas, [role=slider], [role=grid], [role=img], progress)")]
  .filter((part) => part.offsetParent && !part.closest("[aria-hidden=true]"))
  .filter((part) => !(part.getAttribute("aria-label") || part.title || part.labels?.[0]?.textContent.trim()
    || part.tagName === "BUTTON" && part.textContent.trim())).map((part) => part.outerHTML)"""


@pytest.mark.parametrize("opened", [*SOURCES], indirect=True)
def test_every_control_and_picture_has_a_name(opened):
    assert opened.evaluate(NAMELESS) == []


@pytest.mark.parametrize("opened", [*SOURCES], indirect=True)
def test_nothing_is_wider_than_its_place(opened):
    for width in (500, 900, 1400):
        opened.set_viewport_size({"width": width, "height": 900})
        opened.wait_for_timeout(150)
        assert lab.cut_off(opened) == []
