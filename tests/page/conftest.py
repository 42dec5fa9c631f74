"""Benches opened in pages of their own, which are closed after the test."""

import pytest
from page import open_bench


@pytest.fixture
def opened(browser):
    pages = []

    def opened(bench):
        pages.append(open_bench(browser, bench._view))
        return pages[-1]

    yield opened
    for page in pages:
        page.close()
