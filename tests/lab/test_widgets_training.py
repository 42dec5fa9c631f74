"""The training sandbox by keyboard in a real JupyterLab, and a training that is watched."""

import lab
import pytest
from benches import opens, restart_kernel
from test_browser import in_kernel, press, slider

pytestmark = pytest.mark.browser


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
    restart_kernel(opened)
    wait_for_status(opened, "The kernel was restarted: run the cell again.")
    opened.click(".jupyter-widgets-disconnected:text('Train')")
    opened.wait_for_timeout(100)
    wait_for_status(opened, "The kernel was restarted: run the cell again.")
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
