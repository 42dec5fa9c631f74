"""What all benches share in the page: contrast, pictures, and what they leave behind."""

import codes
import pytest
import torch
from torch import nn

from helpers import digits as data
from helpers import networks
from helpers.widgets.base import HERE
from helpers.widgets.digit_map import DigitMap
from helpers.widgets.dropout import DropoutBench
from helpers.widgets.gallery import KernelFilm, LayerWalk
from helpers.widgets.layer_bench import LayerBench
from helpers.widgets.sketchpad import Sketchpad

pytestmark = pytest.mark.browser

# The texts in sight whose contrast with what they stand on is low, as WCAG 2 reckons
# it, and the ratio.
FAINT = """() => {
  const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const light = (...colours) => {
    for (const colour of colours) { pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1); }
    const [red, green, blue] = [...pen.getImageData(0, 0, 1, 1).data].map((part) => part / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const paperOf = (part) => {
    while (getComputedStyle(part).backgroundColor === "rgba(0, 0, 0, 0)") part = part.parentElement;
    return getComputedStyle(part).backgroundColor;
  };
  const texts = [...document.querySelectorAll(".bench *")].filter((part) => part.offsetParent
    && !part.closest("button") && [...part.childNodes].some((child) => child.nodeType === 3 && child.data.trim()));
  return texts.map((part) => {
    const paper = paperOf(part), [ink, under] = [light(paper, getComputedStyle(part).color), light(paper)];
    return [part.textContent, (Math.max(ink, under) + 0.05) / (Math.min(ink, under) + 0.05)];
  }).filter(([, ratio]) => ratio < LEAST);
}"""
# The colours of JupyterLab's own themes.
THEMES = {
    "light": "--jp-content-font-color1: rgba(0, 0, 0, 0.87); --jp-layout-color0: white; --jp-border-color1: #bdbdbd",
    "dark": "--jp-content-font-color1: white; --jp-layout-color0: #111; --jp-border-color1: #616161",
}


BENCHES = {
    "convolution": lambda: LayerBench(nn.Conv2d(1, 1, 3, stride=4, padding=1)),
    "pooling": lambda: LayerBench(nn.MaxPool2d(3, 4, 1, ceil_mode=True)),
    "backward": lambda: LayerBench(nn.Conv2d(1, 1, 3, 4, 1), view="backward"),
    "matrix": lambda: LayerBench(nn.Conv2d(1, 1, 3), size=4, view="matrix"),
    "dropout": DropoutBench,
    "digits": lambda: DigitMap(codes.decoder(), *codes.encoded()),
    "sketchpad": lambda: Sketchpad(networks.trained(), data.embedded()),
}


@pytest.mark.parametrize(
    "theme", ["light", pytest.param("dark", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("make", BENCHES.values(), ids=BENCHES)
def test_every_text_can_be_read_in_both_themes(opened, make, theme):
    bench = make()
    page = opened(bench)
    page.add_style_tag(content=f":root {{ {THEMES[theme]} }}")
    assert page.evaluate(FAINT.replace("LEAST", "4.5")) == []
    assert len(page.evaluate(FAINT.replace("LEAST", "22"))) > 30


# The sentence of a page of pictures, and of each picture in sight its name and the
# colours of its pixels.
GALLERY = """async ([first, second]) => {
  model.set("first", first);
  model.set("second", second);
  await Promise.resolve();
  const pictures = [...document.querySelectorAll(".strip > div")].filter((tile) => tile.offsetParent).map((tile) => {
    const canvas = tile.querySelector("canvas"), { width, height } = canvas;
    const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
    return [tile.textContent, height, width, [...data]];
  });
  return [document.querySelector(".bench-status").textContent, pictures];
}"""


def colours(values, end):
    """Return the red, green and blue of signed values as the page paints them on white,
    −end blue, end orange.
    """
    shares = ((128 + 126 * values / end).round() - 128) / 126
    hues = torch.where(
        shares[..., None] < 0,
        torch.tensor([0.0, 114, 178]),
        torch.tensor([213.0, 94, 0]),
    )
    return (255 + (hues - 255) * shares.abs()[..., None] ** 0.6).floor()


def test_a_page_of_a_film_shows_the_kernels_of_its_moment(opened):
    film = KernelFilm(networks.snapshots())
    page = opened(film)
    ends = {
        name: max(values[name].abs().max() for _, values in networks.snapshots())
        for name in film.kernels
    }
    for moment in (0, 40, 23):
        film.moment = moment
        says, pictures = page.evaluate(GALLERY, [moment, 0])
        assert says == film.says and [name for name, *_ in pictures] == [
            *"0123",
            *"01234567",
        ]
        for (_, height, width, pixels), kernel in zip(
            pictures[:4], film.kernels["conv1.weight"][:, 0], strict=True
        ):
            painted = torch.tensor(pixels).view(height, width, 4)[..., :3]
            assert (painted - colours(kernel, ends["conv1.weight"])).abs().max() <= 1
        painted = torch.tensor(pictures[4][3]).view(5, 23, 4)
        right = colours(film.kernels["conv2.weight"][0, 3], ends["conv2.weight"])
        assert (painted[:, 18:, :3] - right).abs().max() <= 1 and (
            painted[:, 5::6, 3] == 0
        ).all()


def test_a_picture_takes_the_paper_of_a_new_theme_at_once(opened):
    page = opened(KernelFilm(networks.snapshots()))
    page.add_style_tag(
        content=":root { --jp-layout-color0: white } [data-jp-theme-name=Dark] { --jp-layout-color0: #111 }"
    )
    means = []
    for theme in ("Light", "Dark"):
        page.evaluate(
            "(theme) => { document.body.dataset.jpThemeName = theme; }", theme
        )
        page.wait_for_timeout(50)
        means.append(
            page.evaluate("""() => {
          const { data } = document.querySelector("canvas").getContext("2d").getImageData(0, 0, 5, 5);
          return data.reduce((sum, part) => sum + part) / data.length;
        }""")
        )
    assert means[0] > means[1] + 40


def test_a_page_of_a_walk_shows_the_maps_of_its_operation(opened):
    images, labels = data.embedded().test
    walk = LayerWalk(networks.trained(), images[:3], labels[:3], "scikit-learn digits")
    page = opened(walk)
    for image, layer in ((0, 0), (2, 5), (2, 6), (1, 8), (0, 13), (1, 9)):
        walk.image, walk.layer = image, layer
        says, pictures = page.evaluate(GALLERY, [image, layer])
        assert says == walk.says
        painted = torch.cat(
            [torch.tensor(pixels).view(-1, 4)[:, :3] for *_, pixels in pictures]
        )
        maps, end = walk.maps.flatten(), walk.maps.abs().max()
        grey = (255 * maps / end).round()[:, None].expand(-1, 3)
        assert (
            painted - (colours(maps, end) if (maps < 0).any() else grey)
        ).abs().max() <= 1
    assert [name for name, *_ in page.evaluate(GALLERY, [0, 13])[1]] == [
        f"{digit}: {value:.1f}"
        for digit, value in enumerate(walk._stages[0]["13 fc2"].tolist())
    ]
    assert page.evaluate(GALLERY, [99, -1]) == page.evaluate(GALLERY, [2, 0]), (
        "what is out of range is the nearest"
    )


def test_no_script_puts_typed_text_into_markup():
    for script in HERE.glob("*.js"):
        text = script.read_text(encoding="utf-8")
        assert not [
            word
            for word in ("innerHTML", "outerHTML", "insertAdjacentHTML")
            if word in text
        ], script


@pytest.mark.parametrize(
    "make",
    [BENCHES["convolution"], DropoutBench, BENCHES["digits"]],
    ids=["layer", "drop", "digits"],
)
def test_a_closed_view_listens_no_more(opened, make):
    page = opened(make())
    assert page.evaluate("Object.values(model.heard).flat().length") > 0
    page.evaluate("clean()")
    assert page.evaluate("Object.values(model.heard).flat().length") == 0
