"""The tracer by keyboard in a real JupyterLab, with and without a kernel."""

import pytest
from benches import end_kernel, opens, said
from test_browser import in_kernel, press

pytestmark = pytest.mark.browser


def retype(field, text):
    field.press("Control+a")
    field.press("Delete")
    field.press_sequentially(text)
    field.press("Enter")


def fields(page):
    return page.locator(".trace input").evaluate_all(
        "inputs => inputs.map(input => [input.name, input.value])"
    )


def focused(page):
    return page.evaluate("document.activeElement.getAttribute('aria-label')")


@opens("tracer")
def test_layers_are_edited_by_keyboard(opened):
    opened.get_by_label("out_channels of layer 1").focus()
    opened.keyboard.press("ArrowUp")
    opened.wait_for_function(
        "document.querySelector('.trace').textContent.includes('7×30×30')"
    )
    assert focused(opened) == "out_channels of layer 1"
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
    assert focused(opened) == "Remove layer 2"
    opened.get_by_label("Move layer 2 up").press("Enter")
    opened.wait_for_function(
        "document.querySelector('.trace tbody select').value === 'AvgPool2d'"
    )
    assert focused(opened) == "Move layer 1 up"
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
    assert focused(opened) == "Remove layer 11"
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
            "stride takes a whole number from 1 to 64, or two as in 3×2, not "
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
