"""Benches opened in tabs that are used again: a tab costs more than what it shows."""

import pytest
from page import shown


@pytest.fixture(scope="session")
def tabs():
    return []


@pytest.fixture
def opened(browser, tabs):
    used = []

    def opened(bench):
        used.append(tabs.pop() if tabs else browser.new_page())
        used[-1].set_viewport_size({"width": 1280, "height": 720})
        return shown(used[-1], getattr(bench, "_view", bench))

    yield opened
    tabs.extend(used)
