"""One notebook for each file, in which a test shows the bench that it names."""

import lab
import pytest
from benches import SOURCES


@pytest.fixture(scope="module")
def notebook(browser, address):
    page = lab.open_source(browser, address, "")
    yield page
    lab.close(page)


@pytest.fixture
def opened(notebook, request):
    lab.show(notebook, SOURCES[request.param])
    return notebook
