"""The site in Chromium, from a folder and with every request to elsewhere refused."""

import re
from unittest import mock

import alive
import codes
import nbformat
import pytest
import site_check
import tiny
from playwright.sync_api import expect
from refresh import NOTEBOOKS, ROOT
from torch import nn

from helpers.handout.site import write_site
from helpers.links import Course
from helpers.widgets.digit_map import DigitMap
from helpers.widgets.dropout import DropoutBench
from helpers.widgets.layer_bench import LayerBench
from helpers.widgets.shape_tracer import ShapeTracer

pytestmark = pytest.mark.browser
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
MINE = ROOT / "notebooks" / "08_mine.ipynb"  # is not there
PAGES = ["index", *(path.stem for path in NOTEBOOKS), "08_mine", "teaching", "hub"]
ADDRESS = "https://github.com/me/course"


@pytest.fixture(scope="module")
def lesson():
    map_ = DigitMap(codes.decoder(), *codes.encoded())
    benches = LayerBench(nn.MaxPool2d(2)), DropoutBench(), ShapeTracer(), map_
    return tiny.live(*benches, before=[tiny.prose("# Mine\n\n## 1 One\n\nA zebra.")])


@pytest.fixture(scope="module")
def site(tmp_path_factory, lesson):
    """All notebooks as they are stored, and one with every bench that lives."""
    folder = tmp_path_factory.mktemp("site")
    notebooks = {path: nbformat.read(path, as_version=4) for path in NOTEBOOKS}
    with mock.patch.object(Course, "of", lambda _: Course(ADDRESS)):
        write_site(folder, notebooks | {MINE: lesson})
    return folder


@pytest.fixture
def opened(browser, site):
    with alive.visits(browser) as visit:
        yield lambda name, **how: visit((site / name).as_uri(), **how)


def test_no_link_leads_nowhere(site):
    assert site_check.broken(site) == []
    (site / "index.html").rename(site / "gone.html")
    assert "01_convolution_arithmetic.html: index.html" in site_check.broken(site)
    (site / "gone.html").rename(site / "index.html")


@pytest.mark.parametrize("how", [{}, PHONE], ids=["laptop", "phone"])
@pytest.mark.parametrize("name", ["08_mine.html", "08_mine.slides.html"])
def test_every_bench_answers_without_a_kernel_or_a_network(opened, lesson, name, how):
    slides = "slides" in name
    if slides and how:
        pytest.skip("slides are for a projector")
    page = opened(name, **how)
    found = alive.move_all(page, lesson, slides)
    assert found == ["layer", "dropout", "tracer", "map"]


def test_the_first_page_has_a_bench_that_lives(opened):
    page = opened("index.html")
    assert alive.move_all(page, None) == ["layer"]
    assert page.locator(".jp-InputArea-editor").count() == 0
    assert page.locator("main img").first.evaluate("(at) => at.naturalWidth") > 0


@pytest.mark.parametrize("name", PAGES)
def test_a_page_shuts_nobody_out_and_fits_a_phone_and_200_percent(opened, name):
    page = opened(f"{name}.html")
    assert alive.troubles(page) == []
    for width in (390, 640):
        page.set_viewport_size({"width": width, "height": 700})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("name", ["index", "teaching"])
def test_a_page_follows_the_theme_of_the_system_and_the_button(opened, name):
    page = opened(f"{name}.html", color_scheme="dark")
    assert page.evaluate("document.body.dataset.jpThemeLight") == "false"
    assert alive.troubles(page, "color-contrast") == []
    page.get_by_role("button", name="Light").press("Enter")
    assert page.evaluate("document.body.dataset.jpThemeLight") == "true"
    page.reload()
    expect(page.get_by_role("button", name="Dark")).to_be_visible()


def test_the_search_finds_a_section_by_keyboard(opened):
    page = opened("teaching.html")
    field = page.get_by_role("searchbox", name="Search the course")
    field.fill("zebr")
    link = page.get_by_role("link", name="Mine: 1 One")
    link.press("Enter")
    page.wait_for_url(re.compile(r"08_mine\.html#1-one$"))
    assert page.locator("[id='1-one']").is_visible()
    page.get_by_role("searchbox").fill("qqqq")
    expect(page.locator(".site-found")).to_have_text("Nothing is found for “qqqq”.")


def test_pages_lead_to_the_next_to_slides_and_to_where_they_run(opened):
    page = opened("index.html")
    for name in PAGES[1:]:
        page.locator("[rel=next]").click()
        page.wait_for_url(re.compile(rf"{name}\.html$"))
    assert page.locator("[rel=next]").count() == 0
    page = opened("02_pooling.html")
    links = page.locator(".site-doors a")
    assert links.all_inner_texts() == ["Slides", "Run it on Binder", "Run it on Colab"]
    assert links.last.get_attribute("href") == Course(ADDRESS).link("colab", "02")
    links.first.click()
    page.locator(".to-page").click()
    page.wait_for_url(re.compile(r"02_pooling\.html$"))


LOST = "This is a picture of the bench: its scripts did not run here."


@pytest.mark.parametrize(
    "name",
    ["require.js", "anywidget.js", "widgets.js", "site.js", "minisearch.js"]
    + ["sections.js", "reveal.js", "deck.js"],
)
def test_where_a_script_cannot_be_had_a_sentence_and_the_picture_stand(
    browser, site, name
):
    page = browser.new_page()
    page.route(f"**/scripts/{name}", lambda route: route.abort())
    deck = name in ("reveal.js", "deck.js")
    page.goto((site / f"08_mine{'.slides' * deck}.html").as_uri())
    if name in ("require.js", "anywidget.js", "widgets.js"):
        expect(page.get_by_text(LOST).first).to_be_visible(timeout=8000)
        assert page.locator(".still img").first.is_visible()
    else:
        expect(page.locator(".bench > *").last).to_be_attached()
        assert not page.get_by_text(LOST).first.is_visible()
    if deck:
        assert page.get_by_text("The slides need a script").is_visible()
        assert page.locator(".bench").last.is_visible()
    if name in ("minisearch.js", "sections.js", "require.js"):
        page.get_by_role("searchbox").fill("zebra")
        expect(
            page.get_by_text("The search needs scripts that did not")
        ).to_be_visible()
    if name == "site.js":
        assert page.get_by_role("searchbox").count() == 0
    page.close()
