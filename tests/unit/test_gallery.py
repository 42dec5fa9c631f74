"""Kernels over time and the walk through the layers: what their pages hold is what
torch computes.
"""

import base64

import pytest
import torch
from torch import nn

from helpers import digits as data
from helpers import inspection, networks
from helpers.training import fit
from helpers.validation import SentenceError
from helpers.widgets.dropout import DropoutBench
from helpers.widgets.gallery import KernelFilm, LayerWalk, _side_by_side


def boards(strip):
    """Return the bytes of one strip as N×H×W."""
    pixels = torch.frombuffer(
        bytearray(base64.b64decode(strip["pixels"])), dtype=torch.uint8
    )
    return pixels.view(len(strip["names"]), *strip["size"]).int()


@pytest.fixture(scope="module")
def film():
    return KernelFilm(networks.snapshots())


@pytest.fixture(scope="module")
def walk():
    images, labels = data.embedded().test
    return LayerWalk(networks.trained(), images[:4], labels[:4], "scikit-learn digits")


def test_the_film_ends_with_the_kernels_of_the_network(film):
    network = networks.trained().state_dict()
    film.moment = len(networks.snapshots()) - 1
    for name, kernels in film.kernels.items():
        assert torch.allclose(kernels, network[name], atol=5e-4)
    assert film.says == (
        "After 2580 of 2580 batches. "
        "Cosine with the end: conv1.weight 1.00, conv2.weight 1.00."
    )


def test_each_moment_is_painted_on_one_scale(film):
    snapshots = networks.snapshots()
    for name, place in (("conv1.weight", 0), ("conv2.weight", 1)):
        end = max(float(kernels[name].abs().max()) for _, kernels in snapshots)
        for moment in (0, 17, 40):
            strip = film._view.pages[moment]["strips"][place]
            kernels = snapshots[moment][1][name]
            painted = boards(strip)
            for channel in range(kernels.shape[1]):
                tile = painted[:, :, 6 * channel : 6 * channel + 5]
                assert torch.equal(
                    tile, (128 + 126 * kernels[:, channel] / end).round().int()
                )
            assert (painted[:, :, 5::6] == 0).all()


def test_boards_stand_side_by_side():
    kernels = torch.arange(24.0).view(2, 3, 2, 2)
    board = _side_by_side(kernels)
    assert board.shape == (2, 2, 8) and board[:, :, [2, 5]].isnan().all()
    assert torch.equal(board[1, :, 3:5], kernels[1, 1])


def test_a_run_of_ones_own_makes_a_film():
    history = fit(networks.ConvNet(dense=8), data.embedded(), epochs=0.2, show=False)
    film = KernelFilm(history.snapshots)
    assert len(film._view.pages) == len(history.snapshots) > 1
    before = film.kernels["conv1.weight"].clone()
    history.snapshots[0][1]["conv1.weight"].zero_()
    assert torch.equal(film.kernels["conv1.weight"], before)


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        None,
        3,
        [torch.zeros(3)],
        [(1, {"w": torch.zeros(2, 2)})],
        networks.ConvNet().state_dict(),
    ]
    + [
        [(1, {"a": torch.zeros(1, 1, 2, 2)}), (2, {later: torch.zeros(shape)})]
        for later, shape in (("b", (1, 1, 2, 2)), ("a", (1, 1, 3, 3)), ("a", (2, 2)))
    ]
    + [[(1, {"a": torch.zeros(1, 1, 2, 2)}), (2, {})], [(1, {}), (2, {})]]
    + [[(1, {"a": torch.zeros(0, 1, 2, 2)})], [(1, 2, 3)], "snapshots"],
)
def test_what_makes_no_film_is_refused_in_words(wrong):
    with pytest.raises(
        ValueError, match=r"snapshots, such as history\.snapshots after fit\(\), not "
    ):
        KernelFilm(wrong)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.int8, torch.float64])
def test_kernels_of_any_kind_of_number_make_a_film(kind):
    kernels = torch.arange(-8, 8).view(2, 2, 2, 2)
    film = KernelFilm([(done, {"a": (kernels * done).to(kind)}) for done in (1, 2)])
    assert torch.equal(film.kernels["a"], kernels.float())
    tile = boards(film._view.pages[0]["strips"][0])[:, :, :2]
    assert torch.equal(tile, (128 + 126 * kernels[:, 0] / 16).round().int())
    assert film._repr_mimebundle_()[0]["image/png"]


def test_a_run_that_was_lost_has_a_film_of_what_it_was():
    kernels = torch.full((1, 1, 2, 2), 0.5)
    film = KernelFilm([(1, {"a": kernels}), (2, {"a": kernels * torch.nan})])
    first, last = (page["strips"][0] for page in film._view.pages)
    assert (boards(first) == 255).all() and (boards(last) == 0).all()
    assert "from −0.50" in last["title"]


class Shapes(nn.Module):
    """Its operations give numbers of every kind and in every number of axes."""

    def __init__(self):
        super().__init__()
        self.line = nn.Conv1d(28, 3, 5)
        self.solid = nn.Conv3d(1, 2, (1, 3, 3))
        self.lstm = nn.LSTM(28, 6, batch_first=True)
        self.out = nn.Linear(6, 10)

    def forward(self, x):
        self.line(x.squeeze(1))
        self.solid(x[:, :, None])
        (x > 0.5) & (x.argmax(-1, keepdim=True) > 3)
        x.flatten(1).sum(1)
        return self.out(self.lstm(x.squeeze(1))[0][:, -1])


@pytest.mark.slow
def test_every_shape_can_walk():
    images = data.embedded().test.images[:2]
    walk = LayerWalk(Shapes(), images, [1, 2], "scikit-learn digits")
    said = {}
    for layer in range(len(walk._view.pages) // 2):
        walk.layer = layer
        name, _, size = (
            walk.says.partition("after ")[2].partition(", from ")[0].partition(": ")
        )
        strip = walk._view.pages[layer]["strips"][0]
        said[name.partition(" ")[2]] = size, len(strip["names"]), strip["size"]
        assert size == "×".join(map(str, walk.maps.shape)) or "1"
        assert boards(strip).numel() == walk.maps.numel()
        assert walk._repr_mimebundle_()[0]["image/png"]
    assert said["line"] == ("3×24", 1, [3, 24])
    assert said["solid"] == ("2×1×26×26", 2, [26, 26])
    assert said["lstm"] == ("28×6", 1, [28, 6])
    assert said["and_"] == ("1×28×28", 1, [28, 28])
    assert said["sum"] == ("1", 1, [1, 1])


@pytest.mark.slow
def test_of_many_maps_the_first_are_drawn_and_that_is_said():
    images = data.embedded().test.images[:1]
    model = nn.Sequential(nn.Conv2d(1, 300, 3), nn.Flatten(), nn.Linear(202800, 10))
    walk = LayerWalk(model, images, [1], "scikit-learn digits")
    walk.layer = 1
    (strip,) = walk._view.pages[1]["strips"]
    assert strip["title"] == "(the first 64 of 300 are drawn)"
    assert boards(strip).shape == (64, 26, 26) and strip["names"][-1] == "map 63"
    assert walk.maps.shape == (300, 26, 26) and "300×26×26" in walk.says
    alt = walk._repr_mimebundle_()[1]["image/png"]["alt"]
    assert "map 29 26×26" in alt and "map 30" not in alt
    film = KernelFilm([(1, {"wide": torch.ones(65, 1, 2, 2)})])
    title = film._view.pages[0]["strips"][0]["title"]
    assert title.startswith("wide: 65 kernels") and "first 64 of 65" in title


def test_a_network_that_does_not_fit_the_images_is_refused_in_words():
    with pytest.raises(SentenceError, match="cannot be multiplied") as caught:
        LayerWalk(networks.Net(), data.embedded().test.images[:1], [1], "digits")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [KernelFilm, LayerWalk, DropoutBench])
def test_a_kind_of_bench_can_be_made_of_another(kind, film, walk):
    class Own(kind):
        extra = property(lambda bench: 1, lambda bench, value: None)

    given = {KernelFilm: (networks.snapshots(),), DropoutBench: ()}
    images, labels = data.embedded().test
    bench = Own(*given.get(kind, (networks.trained(), images[:2], labels[:2], "")))
    name = {KernelFilm: "moment", LayerWalk: "layer", DropoutBench: "draw"}[kind]
    setattr(bench, name, 1)
    assert repr(bench).startswith("Own(") and repr(bench).endswith("extra=1)")
    assert f"{name}=1, " in repr(bench)
    with pytest.raises(AttributeError, match=f"it has .*{name}, .*extra"):
        bench.other = 3


def test_the_walk_holds_what_the_network_computes(walk):
    images, model = data.embedded().test.images, networks.trained()
    for image in range(4):
        for layer, (name, values) in enumerate(
            inspection.stages(model, images[image]).items()
        ):
            walk.image, walk.layer = image, layer
            assert torch.equal(walk.maps, values)
            page = walk._view.pages[image * 14 + layer]
            assert (
                page["says"].startswith(f"scikit-learn digits image {image}, a ")
                and f"after {name}: " in walk.says
            )
            painted, largest = boards(page["strips"][0]), float(values.abs().max())
            signed = bool((values < 0).any())
            scaled = 128 + 126 * values / largest if signed else 255 * values / largest
            assert torch.equal(painted.flatten(), scaled.round().int().flatten())
            assert page["strips"][0]["signed"] is signed


def test_the_last_operation_names_the_answer(walk):
    walk.image, walk.layer = 2, 13
    chances = walk.maps.softmax(0)
    assert (
        f"The answer is {int(chances.argmax())}, and softmax is " in walk.says
        and "100.00 %" not in walk.says
    )


def test_no_softmax_is_sure_to_100_percent():
    model = networks.trained()
    model.fc2.weight.data *= 9
    walk = LayerWalk(model, data.embedded().test.images[:1], [0], "scikit-learn digits")
    walk.layer = 13
    assert walk.says.endswith("softmax is 99.99 % sure.")


def test_wrong_settings_are_refused_in_words(film, walk):
    film.moment = 3
    for bench, name, value in (
        (film, "moment", 41),
        (walk, "image", 4),
        (walk, "layer", -1),
        (walk, "layer", "2"),
    ):
        before = repr(bench)
        with pytest.raises(
            ValueError, match=f"{name} must be a whole number from 0 to"
        ):
            setattr(bench, name, value)
        assert repr(bench) == before
    with pytest.raises(AttributeError, match="it has image, layer"):
        walk.stage = 1


@pytest.mark.parametrize(
    ("images", "labels", "said"),
    [
        (
            torch.zeros(31, 1, 28, 28),
            [0] * 31,
            "1 to 30 images and a list of as many labels, not 31 with the labels",
        ),
        (torch.zeros(2, 1, 28, 28), [1, 2, 3], r"not 2 with the labels \[1, 2, 3\]"),
        (torch.zeros(1, 1, 28, 28), 3, "not 1 with the labels 3"),
        (
            torch.zeros(1, 28, 28),
            [3],
            r"a float tensor N×1×28×28, .*not torch.float32 of shape \(1, 28, 28\)",
        ),
        (
            torch.zeros(2, 1, 28, 28).byte(),
            [1, 2],
            "grey levels from 0 to 1, not torch.uint8",
        ),
        ("images", [1], "not str"),
    ],
)
def test_what_cannot_walk_is_refused_in_words(images, labels, said):
    with pytest.raises(ValueError, match=said):
        LayerWalk(networks.trained(), images, labels, "MNIST")


def test_a_walk_of_a_network_without_finite_numbers_is_drawn_all_the_same():
    model = networks.ConvNet()
    with torch.no_grad():
        model.fc2.weight.fill_(torch.nan)
    walk = LayerWalk(model, torch.rand(1, 1, 28, 28), [3], "noise")
    walk.layer = 13
    assert "The answer" not in walk.says


def test_sliders_and_picture_follow(film, walk):
    walk.image, walk.layer = 1, 6
    assert repr(walk) == "LayerWalk(image=1, layer=6)"
    assert [control.value for held in walk._linked.values() for control in held] == [
        1,
        6,
        6,
    ]
    data_, metadata = walk._repr_mimebundle_()
    assert data_["image/png"] and "8×14×14" in metadata["image/png"]["alt"]
    film.moment = 7
    assert "conv2.weight 7" in film._repr_mimebundle_()[1]["image/png"]["alt"]
