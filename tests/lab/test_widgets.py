"""The pooling bench, the dropout bench and the tracer by keyboard in a real JupyterLab,
with and without a kernel.
"""

import lab
import pytest
from test_browser import in_kernel, press, slider

pytestmark = pytest.mark.browser
SOURCES = {
    "pooling": "from helpers.widgets.sliding_window import PoolingBench\nbench = PoolingBench()\nbench",
    "dropout": "from helpers.widgets.dropout import DropoutBench\nbench = DropoutBench()\nbench",
    "tracer": "from helpers.widgets.shape_tracer import ShapeTracer\nbench = ShapeTracer()\nbench",
    "stepper": "import torch\nimport torch.nn.functional as F\nfrom helpers.networks import Net\n"
    "from helpers.widgets.stepper import BackwardStepper\ntorch.manual_seed(0)\nnet = Net()\n"
    "loss = F.mse_loss(net(torch.randn(1, 1, 32, 32)), torch.randn(1, 10))\n"
    "bench = BackwardStepper(loss, net)\nbench",
    "training": "from helpers.digits import embedded, load_digits\nfrom helpers.widgets.training_bench import TrainingBench\n"
    "bench = TrainingBench(embedded(), images=1000, epochs=5)\nbench",
    "film": "from helpers import networks\nfrom helpers.widgets.gallery import KernelFilm\n"
    "bench = KernelFilm(networks.snapshots())\nbench",
    "walk": "from helpers import networks\nfrom helpers.digits import embedded, load_digits\nfrom helpers.widgets.gallery import LayerWalk\n"
    "bench = LayerWalk(networks.trained(), *(part[:5] for part in embedded().test), 'scikit-learn digits')\nbench",
    "convolution": "from helpers.widgets.sliding_window import ConvolutionBench\nbench = ConvolutionBench()\nbench",
}


@pytest.fixture(scope="module")
def notebook(browser, address):
    page = lab.open_source(browser, address, "")
    yield page
    lab.close(page)


@pytest.fixture
def opened(notebook, request):
    lab.show(notebook, SOURCES[request.param])
    return notebook


def opens(name):
    return pytest.mark.parametrize("opened", [name], indirect=True)


def said(page, part):
    return page.inner_text(f".bench-{part}")


def end_kernel(page):
    page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    page.wait_for_function(
        "!jupyterapp.shell.currentWidget.sessionContext.session?.kernel"
    )


@opens("pooling")
def test_every_control_of_pooling_works_by_keyboard_and_python_follows(opened):
    press(opened, "kernel_size", "ArrowRight")
    press(opened, "padding", "ArrowRight")
    press(opened, "stride", "ArrowRight")
    press(opened, "input_size", "ArrowRight")
    press(opened, "step", "ArrowRight", "ArrowRight")
    opened.locator("input[type=checkbox]").nth(0).focus()
    opened.keyboard.press("Space")
    opened.locator(".widget-dropdown select").nth(1).focus()
    opened.keyboard.press("ArrowDown")
    lab.settle(opened)
    assert said(opened, "code code") == in_kernel(opened, "bench.code")
    assert in_kernel(opened, "bench").startswith(
        "PoolingBench(mode='average', input_size=9, kernel_size=3, stride=3, padding=1, ceil_mode=True, count_include"
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
    assert opened.evaluate("jupyterapp.shell.currentWidget.content.widgets.length") == 1


@opens("pooling")
def test_no_pooling_slider_reaches_what_torch_refuses(opened):
    press(opened, "padding", *["ArrowRight"] * 3)
    assert slider(opened, "padding").get_attribute("aria-valuenow") == "1.0"
    press(opened, "kernel_size", *["ArrowLeft"] * 3)
    assert slider(opened, "kernel_size").get_attribute("aria-valuenow") == "2.0"
    press(opened, "kernel_size", *["ArrowRight"] * 4)
    press(opened, "padding", *["ArrowRight"] * 3)
    press(opened, "input_size", *["ArrowLeft"] * 9)
    assert in_kernel(opened, "bench").startswith(
        "PoolingBench(mode='max', input_size=3, kernel_size=6, stride=2, padding=3"
    )
    assert in_kernel(opened, "bench.output.shape") == "torch.Size([2, 2])"


@opens("pooling")
def test_python_moves_the_boxes_and_the_list(opened):
    assert (
        in_kernel(
            opened,
            "setattr(bench, 'mode', 'average') or bench.set(ceil_mode=True, padding=1)",
        )
        == "None"
    )
    lab.settle(opened)
    assert opened.locator("input[type=checkbox]").nth(0).is_checked()
    assert opened.locator(".widget-dropdown select").nth(1).input_value() == "average"
    assert "padding=1, ceil_mode=True, count_include_pad=True" in said(
        opened, "code code"
    )


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
    "stepper": ("step", "Step 1 of 25: AddmmBackward0 fc3 · 1×10."),
    "tracer": ("channels", "nn.Conv2d(2, 6, kernel_size=3)"),
}


def test_they_go_on_without_a_kernel(notebook):
    lab.show(
        notebook,
        "\n".join(
            f"{SOURCES[name].removesuffix('bench')}display(bench)"
            for name in WITHOUT_KERNEL
        ),
    )
    end_kernel(notebook)
    shown = notebook.locator(".widget-vbox:has(.bench)")
    for number, (moved, line) in enumerate(WITHOUT_KERNEL.values()):
        bench = shown.nth(number)
        assert line not in bench.inner_text()
        bench.locator(
            f".widget-slider:has(.widget-label:text-is('{moved}')) .noUi-handle"
        ).press("ArrowRight")
        notebook.wait_for_timeout(50)
        assert line in bench.inner_text()


def retype(field, text):
    field.press("Control+a")
    field.press("Delete")
    field.press_sequentially(text)
    field.press("Enter")


def fields(page):
    return page.locator(".trace input").evaluate_all(
        "inputs => inputs.map(input => [input.name, input.value])"
    )


@opens("tracer")
def test_layers_are_edited_by_keyboard(opened):
    opened.get_by_label("out_channels of layer 1").focus()
    opened.keyboard.press("ArrowUp")
    opened.wait_for_function(
        "document.querySelector('.trace').textContent.includes('7×30×30')"
    )
    assert (
        opened.evaluate("document.activeElement.getAttribute('aria-label')")
        == "out_channels of layer 1"
    )
    opened.wait_for_function(
        "document.querySelector('.bench code').textContent.includes('nn.Conv2d(1, 7')"
    )
    assert (
        in_kernel(opened, "bench.layers[0]['out_channels'], bench.network")
        == "7 my own"
    )
    opened.get_by_label("kind of layer 3").select_option("AvgPool2d")
    opened.wait_for_function(
        "document.querySelector('.bench code').textContent.includes('AvgPool2d')"
    )
    opened.get_by_label("Remove layer 2").press("Enter")
    opened.wait_for_function(
        "document.querySelectorAll('.trace tbody tr').length === 11"
    )
    assert (
        opened.evaluate("document.activeElement.getAttribute('aria-label')")
        == "Remove layer 2"
    )
    opened.get_by_label("Move layer 2 up").press("Enter")
    opened.wait_for_function(
        "document.querySelector('.trace tbody select').value === 'AvgPool2d'"
    )
    assert (
        opened.evaluate("document.activeElement.getAttribute('aria-label')")
        == "Move layer 1 up"
    )
    opened.get_by_role("button", name="Add a layer").press("Enter")
    opened.wait_for_function(
        "document.querySelectorAll('.trace tbody tr').length === 12"
    )
    assert said(opened, "code code").endswith("nn.ReLU())")
    kinds = "AvgPool2d Conv2d Conv2d ReLU MaxPool2d Flatten Linear ReLU Linear ReLU Linear ReLU"
    assert in_kernel(opened, "*(layer['kind'] for layer in bench.layers)") == kinds
    assert said(opened, "code code") == in_kernel(opened, "bench.code")


@opens("tracer")
def test_the_last_layer_can_go_and_twenty_are_the_most(opened):
    opened.get_by_label("Remove layer 12").press("Enter")
    opened.wait_for_function(
        "document.querySelectorAll('.trace tbody tr').length === 11"
    )
    assert (
        opened.evaluate("document.activeElement.getAttribute('aria-label')")
        == "Remove layer 11"
    )
    add = opened.get_by_role("button", name="Add a layer")
    for _ in range(9):
        add.press("Enter")
    opened.wait_for_function(
        "document.querySelectorAll('.trace tbody tr').length === 20"
    )
    opened.wait_for_timeout(300)
    assert add.is_disabled()


@opens("tracer")
def test_a_smaller_picture_is_explained_and_mended_by_keyboard(opened):
    press(opened, "side", *["ArrowLeft"] * 4)
    opened.wait_for_function(
        "document.querySelector('.bench-status').textContent.includes('400 numbers arrive')"
    )
    assert said(opened, "status").startswith(
        "✗ layer 8 (Linear) takes in_features=576, and 400 numbers arrive"
    )
    assert opened.locator(".trace .wrong").inner_text().startswith("8")
    opened.locator("input[type=checkbox]").focus()
    opened.keyboard.press("Space")
    opened.wait_for_function(
        "document.querySelector('.bench-status').textContent === ''"
    )
    assert ["in_features", "400"] in fields(opened) and opened.get_by_label(
        "in_features of layer 8"
    ).is_disabled()


@opens("tracer")
def test_stacks_are_chosen_in_the_page_and_from_python_and_without_a_kernel(opened):
    network = opened.locator(".widget-dropdown select")
    network.select_option("one convolution")
    assert in_kernel(opened, "len(bench.layers), bench.network") == "1 one convolution"
    set_both = (
        "setattr(bench, 'network', 'ConvNet, 28×28') or setattr(bench, 'derive', True)"
    )
    assert in_kernel(opened, set_both) == "None"
    opened.wait_for_function(
        "document.querySelector('.bench code').textContent.includes('in_features=512, ')"
    )
    assert (
        network.input_value() == "ConvNet, 28×28"
        and opened.get_by_label("in_features of layer 8").is_disabled()
    )
    assert (
        in_kernel(opened, "setattr(bench, 'derive', False), bench.network")
        == "None my own"
    )
    assert network.input_value() == "my own" and ["in_features", "512"] in fields(
        opened
    )
    end_kernel(opened)
    network.select_option("Net, 32×32")
    assert said(opened, "status") == "" and "in_features=576" in said(
        opened, "code code"
    )
    retype(opened.get_by_label("in_features of layer 8"), "575")
    assert said(opened, "status").startswith(
        "✗ layer 8 (Linear) takes in_features=575, and 576 numbers arrive"
    )
    assert network.input_value() == "my own"


@opens("tracer")
def test_a_wrong_number_is_answered_and_the_old_one_stays(opened):
    field = opened.get_by_label("stride of layer 1")
    for typed in ("0", "2.5", "", "1000"):
        retype(field, typed)
        assert said(opened, "note").startswith(
            "stride takes a whole number from 1 to 64, not "
        )
        assert field.input_value() == "1"
    assert in_kernel(opened, "bench.layers[0]['stride']") == "1"


@opens("tracer")
def test_nearly_a_billion_weights_are_answered_in_words(opened):
    field = opened.get_by_label("out_features of layer 12")
    retype(field, "10000000")
    opened.wait_for_function(
        "document.querySelector('.bench').textContent.includes('Nothing of it was allocated here')"
    )
    assert "850,000,000" in opened.inner_text(
        ".trace"
    ) and "3.4 GB" in opened.inner_text(".bench")


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


@opens("training")
def test_the_sandbox_is_set_and_started_by_keyboard(opened):
    train = opened.get_by_role("button", name="Train", exact=True)
    for rate in ("0.03", "0.1"):
        press(opened, "lr", "ArrowRight")
        train.focus()
        opened.keyboard.press("Enter")
        done = f"/^\\d: lr {rate}, .*batch 40 of 40.*Finished/"
        opened.wait_for_function(
            f"{done}.test(document.querySelector('.bench-status').textContent)"
        )
        train.wait_for()  # else it reads Stop
    assert (
        in_kernel(opened, "bench")
        == "TrainingBench(lr=0.1, batch_size=128, epochs=5, images=1000)"
    )
    shares = "(run[-1]['validation_accuracy'] for run in bench.histories)"
    accuracies = in_kernel(
        opened, f"*(f'{{100 * share:.2f}}' for share in {shares})"
    ).split()
    names = opened.locator(".curve-names li").all_inner_texts()
    assert [
        name.strip().partition(", batch_size 128, epochs 5")[0] for name in names[1:]
    ] == [
        "1: lr 0.03",
        "2: lr 0.1",
    ]
    assert [name.rpartition("accuracy ")[2] for name in names[1:]] == [
        f"{share} %" for share in accuracies
    ]
    assert opened.locator(".curve").count() == 2
    for chart in opened.locator(".curve svg").all():
        assert chart.locator("circle").count() == 10
        points = chart.locator("polyline").evaluate_all(
            "lines => lines.map(line => line.points.length)"
        )
        assert points == [40, 40]
    assert in_kernel(opened, "setattr(bench, 'lr', 0.001)") == "None"
    assert slider(opened, "lr").get_attribute("aria-label") == "lr"
    opened.wait_for_function(
        "[...document.querySelectorAll('.widget-readout')].some((readout) => readout.textContent === '0.001')"
    )


INTERRUPT = "jupyterapp.shell.currentWidget.sessionContext.session.kernel.interrupt()"


def button(page, name):
    return page.get_by_role("button", name=name, exact=True)


def wait_for_status(page, part):
    shown = "document.querySelector('.bench-status').textContent"
    page.wait_for_function(f"(part) => {shown}.includes(part)", arg=part)


@opens("training")
def test_stop_and_interrupt_end_a_run_of_the_button(opened):
    lab.show(opened, "bench.batch_size, bench.epochs = 16, 50\nbench")
    for end in (button(opened, "Stop").click, lambda: opened.evaluate(INTERRUPT)):
        button(opened, "Train").click()
        wait_for_status(opened, "to go")
        end()
        wait_for_status(opened, "Interrupted in epoch")
        button(opened, "Train").wait_for()
    assert lab.errors(opened) == []
    stopped = "[run.stopped[:11] for run in bench.histories]"
    assert in_kernel(opened, stopped) == "['Interrupted', 'Interrupted']"


@opens("training")
def test_the_sandbox_says_when_nobody_answers(opened):
    opened.evaluate(
        "jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
    )
    opened.click(".jupyter-widgets-disconnected:text('Train')")
    wait_for_status(opened, "Run the cell of this bench again")
    assert opened.locator(".jupyter-button.mod-active").count() == 0


def test_a_training_is_seen_while_it_runs_and_can_be_interrupted(notebook):
    page = notebook
    source = (
        "from helpers import networks\nfrom helpers.digits import embedded, load_digits\nfrom helpers.training import fit\nmodel = networks.ConvNet()\n"
        "history = fit(model, embedded(), epochs=3000)"
    )
    lab.show(page, source, to_the_end=False)
    page.wait_for_function("document.querySelector('.bench progress')?.value > 0")
    before = page.inner_text(".bench-status")
    page.wait_for_function(
        "(before) => document.querySelector('.bench-status').textContent !== before",
        arg=before,
    )
    assert "to go" in page.inner_text(".bench-status")
    page.evaluate(INTERRUPT)
    page.wait_for_function(
        "document.querySelector('.jp-OutputArea').textContent.includes('Interrupted in epoch')"
    )
    assert lab.errors(page) == []
    assert (
        in_kernel(page, "len(history) == history[-1]['epoch'] > 0, model.training")
        == "True False"
    )
    status = page.inner_text(".bench-status")
    assert f"batch {in_kernel(page, 'len(history.losses)')} of 33000" in status
    assert "Interrupted" in status
