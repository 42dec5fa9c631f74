"""The course's networks, as the notebooks write them out; a test holds both definitions
equal.
"""

import json
import os
import warnings
import zipfile
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present

from helpers.validation import SentenceError

CHECKPOINT = Path(__file__).parent / "assets" / "convnet.pt"
SNAPSHOTS = CHECKPOINT.with_stem("convnet_snapshots")
ADVICE = "save one with torch.save(model.state_dict(), path)"
# How large a ConvNet is follows from these.
SIZED = ("conv1.weight", "conv2.weight", "fc1.weight")
# What torch.compile and DataParallel put before the names, in either order.
PREFIXES = ("_orig_mod.", "module.", "_orig_mod.")


class CheckpointError(SentenceError):
    """A file that holds no weights of a ConvNet."""


class Net(nn.Module):
    """The network of notebook 03: pictures N×1×32×32 become logits N×10."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, kernel_size=3)
        self.conv2 = nn.Conv2d(6, 16, kernel_size=3)
        self.fc1 = nn.Linear(16 * 6 * 6, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Return N×10 logits."""
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.flatten(1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


class ConvNet(nn.Module):
    """The network of notebook 05: grey levels N×1×28×28, 0 to 1, become logits N×10."""

    def __init__(
        self, kernels: tuple[int, int] = (4, 8), dense: int = 512, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, kernels[0], kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(*kernels, kernel_size=5, padding=2)
        self.fc1 = nn.Linear(kernels[1] * 7 * 7, dense)
        self.fc2 = nn.Linear(dense, 10)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return N×10 logits."""
        x = (x - 0.1307) / 0.3081
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.conv2(x), 2))
        x = F.relu(self.fc1(x.flatten(1)))
        return self.fc2(self.dropout(x))


def trained() -> ConvNet:
    """Return the network that ships with the course, in eval mode, with the dropout it
    was trained with; `convnet.json` says how.
    """
    record = json.loads(CHECKPOINT.with_suffix(".json").read_text(encoding="utf-8"))
    model = load(CHECKPOINT)
    model.dropout.p = record["dropout"]
    return model


def snapshots() -> list[tuple[int, dict[str, Tensor]]]:
    """Return the kernels on the way to the network that ships: (batches done, kernels),
    as a History holds them.
    """
    return [
        (done, {name: values.float() for name, values in kernels.items()})
        for done, kernels in torch.load(SNAPSHOTS, weights_only=True)
    ]


def load(path: str | Path) -> ConvNet:
    """Return the ConvNet whose weights are in a file, as large as they are, in eval
    mode.

    The file is one of `torch.save(model.state_dict(), path)`, or of a dictionary with
    one such state in it. Nothing in it is ever run: torch reads tensors only. Raises
    CheckpointError where it holds anything but the finite weights of a ConvNet. Source:
    https://docs.pytorch.org/docs/stable/generated/torch.load.html
    """
    state = _state(path)
    try:
        kernels, more_kernels, dense = (state[name].shape[0] for name in SIZED)
    except (KeyError, IndexError):
        flaw = f"holds no {', '.join(SIZED)}, so these are not the weights of a ConvNet"
        raise CheckpointError(f"{path} {flaw}.") from None
    with torch.device("meta"):  # without weights of its own
        model = ConvNet((kernels, more_kernels), dense)
    own = model.state_dict()
    for name in own | state:
        found, wanted = _shape(state, name), _shape(own, name)
        if found != wanted:
            flaw = f"{name} is {found}, and in a ConvNet {wanted}"
            raise CheckpointError(f"In {path} {flaw}.")
    model.load_state_dict(state, assign=True)
    return model.eval()


def _shape(state: dict[str, Tensor], name: str) -> str:
    return f"of shape {tuple(state[name].shape)}" if name in state else "not there"


def _state(path: str | Path) -> dict[str, Tensor]:
    """Return the tensors by name that a file holds, finite float32."""
    if not isinstance(path, str | os.PathLike):
        raise CheckpointError(
            f"load takes the path of a file, not {type(path).__name__}; for a state "
            "that is in memory there is model.load_state_dict(state)."
        )
    if not os.path.exists(path):
        raise CheckpointError(f"There is no file {path}; {ADVICE}.")
    if not (os.path.isfile(path) and os.access(path, os.R_OK)):
        raise CheckpointError(f"{path} is no file that can be read; {ADVICE}.")
    try:
        state = _own(_read(path))
        finite = all(values.isfinite().all() for values in state.values())
    except Exception as fault:  # of many kinds, for damaged and foreign files
        flaw = "is damaged, or does not hold the weights of one network"
        raise CheckpointError(f"{path} {flaw}; {ADVICE}.") from fault
    if not finite:
        flaw = "holds weights that are no finite numbers"
        raise CheckpointError(f"{path} {flaw}; save the network anew.")
    return state


def _read(path: str | Path) -> dict:
    """Return the state that a file holds, alone or as the only one in a dictionary."""
    with warnings.catch_warnings(action="ignore"):  # of old kinds of files
        content = torch.load(path, map_location="cpu", weights_only=True)
    # Torch compares no checksums.
    if zipfile.is_zipfile(path) and zipfile.ZipFile(path).testzip():
        raise zipfile.BadZipFile
    parts = [part for part in content.values() if isinstance(part, dict) and part]
    states = [
        part for part in parts if all(isinstance(x, Tensor) for x in part.values())
    ]
    return states[0] if len(states) == 1 else content


def _own(state: dict) -> dict[str, Tensor]:
    """Return tensors with memory of their own: what is expanded or shared can be read,
    but not trained.
    """
    own = {
        str(name): values.detach().float().clone(memory_format=torch.contiguous_format)
        for name, values in state.items()
    }
    for prefix in PREFIXES:
        consume_prefix_in_state_dict_if_present(own, prefix)
    return own
