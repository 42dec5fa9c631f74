"""The benches that are tried in JupyterLab: each in a cell, and what a test reads of it."""

import pytest

LAYER = "from torch import nn\nfrom helpers.widgets.layer_bench import LayerBench\n"
DECODER = """import torch
from torch import nn
torch.manual_seed(0)
decoder = nn.Sequential(nn.Linear(2, 48), nn.ReLU(), nn.Linear(48, 784), nn.ReLU(),
    nn.Unflatten(1, (16, 7, 7)), nn.ConvTranspose2d(16, 8, 4, stride=2, padding=1), nn.ReLU(),
    nn.ConvTranspose2d(8, 1, 4, stride=2, padding=1), nn.Sigmoid())"""
SOURCES = {
    "pooling": f"{LAYER}bench = LayerBench(nn.MaxPool2d(kernel_size=2, stride=2))\nbench",
    "dropout": "from helpers.widgets.dropout import DropoutBench\nbench = DropoutBench()\nbench",
    "tracer": "from helpers.widgets.shape_tracer import ShapeTracer\nbench = ShapeTracer()\nbench",
    "stepper": "import torch\nimport torch.nn.functional as F\nfrom helpers.networks import Net\n"
    "from helpers.widgets.stepper import BackwardStepper\ntorch.manual_seed(0)\nnet = Net()\n"
    "loss = F.mse_loss(net(torch.randn(1, 1, 32, 32)), torch.randn(1, 10))\n"
    "bench = BackwardStepper(loss, net)\nbench",
    "training": "from helpers.digits import embedded, load_digits\nfrom helpers.widgets.training_bench import TrainingBench\n"
    "bench = TrainingBench(embedded(), images=1000, epochs=5)\nbench",
    "film": "from helpers import networks\nfrom helpers.widgets.gallery import KernelFilm\n"
    "bench = KernelFilm(networks.snapshots())\nbench",
    "walk": "from helpers import networks\nfrom helpers.digits import embedded, load_digits\nfrom helpers.widgets.gallery import LayerWalk\n"
    "bench = LayerWalk(networks.trained(), *(part[:5] for part in embedded().test), 'scikit-learn digits')\nbench",
    "digits": f"{DECODER}\nfrom helpers.widgets.digit_map import DigitMap\n"
    "bench = DigitMap(decoder, torch.rand(300, 2) * 6 - 3, torch.arange(300) % 10)\nbench",
    "channels": f"{LAYER}bench = LayerBench(nn.Conv2d(3, 4, 3, padding=1), size=12, view='backward')\nbench",
    "stamps": f"{LAYER}bench = LayerBench(nn.ConvTranspose2d(1, 1, 3, stride=2), size=4, view='stamps')\nbench",
    "convolution": f"{LAYER}bench = LayerBench(nn.Conv2d(1, 1, kernel_size=3, bias=False), weight='Sobel x')\nbench",
}


def opens(name):
    return pytest.mark.parametrize("opened", [name], indirect=True)


def said(page, part):
    return page.inner_text(f".bench-{part}")


def end_kernel(page):
    page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    page.wait_for_function(
        "!jupyterapp.shell.currentWidget.sessionContext.session?.kernel"
    )


def restart_kernel(page):
    page.evaluate(
        "() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
    )
    page.wait_for_selector(".jupyter-widgets-disconnected", state="attached")
