"""A prediction without a guess, in JupyterLab: before it is trusted, and by keyboard."""

import lab
import pytest
from refresh import NOTEBOOKS

pytestmark = pytest.mark.browser
FOLDS = """() => [...jupyterapp.shell.currentWidget.content.activeCell.outputArea.node
  .querySelectorAll("details")].map((fold) => [fold.open, fold.innerText])"""
CLOSED = [False, "No guess yet. Open the answer."]


def test_a_stored_answer_is_folded_and_opens_by_keyboard(browser, address):
    page = lab.open_notebook(browser, address, f"notebooks/{NOTEBOOKS[0].name}")
    page.evaluate(
        """() => {
             const { content } = jupyterapp.shell.currentWidget;
             content.activeCellIndex = content.widgets.findIndex((cell) =>
               cell.model.sharedModel.getSource().startsWith("guess = None"));
             return content.scrollToItem(content.activeCellIndex, "center");
           }"""
    )
    page.wait_for_selector(".jp-mod-active details")
    assert not page.evaluate(
        "jupyterapp.shell.currentWidget.content.activeCell.model.trusted"
    )
    assert page.evaluate(FOLDS) == [CLOSED]
    page.locator(".jp-mod-active summary").focus()
    page.keyboard.press("Enter")
    (opened, words), *_ = page.evaluate(FOLDS)
    assert opened and words.removeprefix(CLOSED[1]).strip() == "614656"
    lab.close(page)
