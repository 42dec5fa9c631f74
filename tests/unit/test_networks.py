"""Files of weights: a sound one is read, whatever else gets one sentence, and nothing
in it is ever run.
"""

import json
import os
import pickle
import tarfile
import zipfile

import pytest
import torch
from torch import nn

from helpers import networks
from helpers.networks import CheckpointError, ConvNet, Net, load

ADVICE = r"save one with torch\.save\(model\.state_dict\(\), path\)\.$"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "network.pt"


def state(**changes):
    return {**ConvNet().state_dict(), **changes}


@pytest.mark.parametrize("sizes", [((4, 8), 512), ((16, 32), 128), ((1, 1), 1)])
def test_a_network_of_any_size_comes_back(path, sizes):
    model = ConvNet(*sizes)
    torch.save(model.state_dict(), path)
    again = load(path)
    images = torch.rand(3, 1, 28, 28)
    assert torch.equal(again(images), model.eval()(images)) and not again.training
    assert all(parameter.requires_grad for parameter in again.parameters())
    assert torch.equal(load(str(path))(images), again(images))


def test_weights_of_half_precision_come_back_as_float32(path):
    torch.save(ConvNet().half().state_dict(), path)
    assert {values.dtype for values in load(path).state_dict().values()} == {
        torch.float32
    }


def broken_files(path):
    torch.save(ConvNet().state_dict(), path)
    sound = path.read_bytes()
    yield b""
    yield b"a holiday picture"
    for size in (10, 9000, len(sound) // 2, len(sound) - 100):
        yield sound[:size]
    yield sound[:300_000] + bytes(1000) + sound[301_000:]
    yield sound[: len(sound) // 3] + bytes(1000) + sound[len(sound) // 3 + 1000 :][::-1]
    yield pickle.dumps({"conv1.weight": 1})
    yield b"\x80\x04" + bytes(100)


def test_a_damaged_file_gets_one_sentence(path):
    for content in broken_files(path):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match="network.pt") as caught:
            load(path)
        assert "\n" not in str(caught.value)
        assert caught.value._render_traceback_() == [f"CheckpointError: {caught.value}"]


def test_other_archives_are_refused(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("letter.txt", "hello")
    with pytest.raises(CheckpointError, match=ADVICE):
        load(path)
    with tarfile.open(path, "w") as archive:
        archive.add(__file__, "letter.py")
    with pytest.raises(CheckpointError, match=ADVICE):
        load(path)


@pytest.mark.filterwarnings("ignore")
def test_a_program_of_torchscript_is_refused(path):
    torch.jit.trace(ConvNet().eval(), torch.rand(1, 1, 28, 28)).save(path)
    with pytest.raises(CheckpointError, match=ADVICE):
        load(path)


class Surprise:
    """What a pickle of it does when it is read: it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: state(extra=x), lambda x: [x]])
@pytest.mark.parametrize("new", [True, False])
def test_no_pickle_is_ever_run(path, tmp_path, wrap, new):
    trace = tmp_path / "it-ran"
    torch.save(wrap(Surprise(trace)), path, _use_new_zipfile_serialization=new)
    with pytest.raises(CheckpointError, match=ADVICE):
        load(path)
    assert not trace.exists()
    torch.load(path, weights_only=False)
    assert trace.exists(), "else the test shows nothing"


def test_a_bare_pickle_is_not_run_either(path, tmp_path):
    trace = tmp_path / "it-ran"
    path.write_bytes(pickle.dumps(Surprise(trace)))
    with pytest.raises(CheckpointError, match=ADVICE):
        load(path)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            lambda: Net().state_dict(),
            r"conv1\.weight is of shape \(6, 1, 3, 3\), and in a ConvNet "
            r"of shape \(6, 1, 5, 5",
        ),
        (
            lambda: nn.Linear(3, 2).state_dict(),
            r"holds no conv1\.weight, conv2.weight, fc1.weight, so these are not",
        ),
        (
            lambda: state(**{"fc2.bias": torch.zeros(9)}),
            r"fc2\.bias is of shape \(9,\), and in a ConvNet of shape \(10,",
        ),
        (
            lambda: state(**{"fc3.bias": torch.zeros(9)}),
            r"fc3\.bias is of shape \(9,\), and in a ConvNet not there",
        ),
        (
            lambda: {k: v for k, v in state().items() if k != "fc2.bias"},
            r"fc2\.bias is not there, and in a ConvNet of",
        ),
        (lambda: state(**{"conv1.bias": 3}), ADVICE),
        (
            lambda: state(**{"conv1.bias": torch.full((4,), torch.nan)}),
            "weights that are no finite numbers",
        ),
        (
            lambda: state(
                **{"conv1.bias": torch.full((4,), 1e300, dtype=torch.float64)}
            ),
            "weights that are no finite",
        ),
        (lambda: state(**{"conv1.bias": torch.zeros(4).to_sparse()}), ADVICE),
        (lambda: state(**{"conv1.bias": torch.zeros(4, device="meta")}), ADVICE),
        (
            lambda: state(**{"conv1.weight": torch.tensor(4.0)}),
            r"holds no conv1\.weight",
        ),
        (lambda: torch.zeros(3), ADVICE),
        (lambda: [1, 2], ADVICE),
        (lambda: {}, r"holds no conv1\.weight"),
        (lambda: {1: torch.zeros(3)}, r"holds no conv1\.weight"),
        (lambda: {"model": state(), "average": state()}, "weights of one network"),
        (lambda: {"epoch": 3, "lr": 0.1}, ADVICE),
    ],
)
def test_weights_of_something_else_get_one_sentence(path, content, said):
    torch.save(content(), path)
    with pytest.raises(CheckpointError, match=said) as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(
        CheckpointError, match=r"There is no file .*nowhere\.pt; save one with"
    ):
        load(tmp_path / "nowhere.pt")
    with pytest.raises(CheckpointError, match="no file that can be read"):
        load(tmp_path)


def test_the_shipped_snapshots_come_in_order():
    snapshots = networks.snapshots()
    assert [done for done, _ in snapshots] == sorted({done for done, _ in snapshots})


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_is_not_waited_for(path):
    os.mkfifo(path)
    with pytest.raises(CheckpointError, match="no file that can be read"):
        load(path)


def test_a_state_in_place_of_a_path_is_not_printed():
    with pytest.raises(CheckpointError, match="the path of a file, not OrderedDict;"):
        load(ConvNet().state_dict())


@pytest.mark.parametrize(
    "prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."]
)
def test_what_wrappers_put_before_the_names_is_taken_off(path, prefix):
    saved = state()
    torch.save({prefix + name: values for name, values in saved.items()}, path)
    assert_holds(load(path), saved)


@pytest.mark.parametrize("name", ["model", "state_dict", 0])
def test_a_state_is_found_among_what_else_was_saved(path, name):
    model = ConvNet()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.rand(2, 1, 28, 28)).sum().backward()
    optimizer.step()
    more = {"optimizer": optimizer.state_dict(), "epoch": 3, "settings": {}}
    torch.save({name: model.state_dict(), **more}, path)
    assert_holds(load(path), model.state_dict())


@pytest.mark.parametrize(
    "bias",
    [
        torch.ones(1).expand(10),
        torch.rand(20)[::2],
        nn.Parameter(torch.rand(10)),
        torch.rand(10, dtype=torch.float64),
    ],
)
def test_what_comes_back_can_be_trained(path, bias):
    saved = state(**{"fc2.bias": bias, "conv1.bias": bias[:4]})
    torch.save(saved, path)
    model = load(path)
    assert_holds(model, saved)
    model(torch.rand(2, 1, 28, 28)).sum().backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    parts = [*model.state_dict().values()]
    assert all(values.is_contiguous() for values in parts)
    assert len({values.data_ptr() for values in parts}) == len(parts)
    assert all(len(values.untyped_storage()) == values.nbytes for values in parts)


def assert_holds(model, saved):
    found = model.state_dict()
    assert found.keys() == saved.keys()
    assert all(torch.equal(found[name], saved[name].float()) for name in saved)


def test_the_shipped_network_has_the_dropout_that_it_was_trained_with():
    record = json.loads(networks.CHECKPOINT.with_suffix(".json").read_text())
    model = networks.trained()
    assert model.dropout.p == record["dropout"]
    images = torch.rand(20, 1, 28, 28)
    assert torch.equal(model.train()(images), model.eval()(images))
