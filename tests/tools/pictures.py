"""Take the README's pictures anew from a real JupyterLab: `python tests/tools/pictures.py
[name …]`.
"""

import sys

import chromium
import lab
from PIL import Image

FOLDER = lab.ROOT / "notebooks" / "images"
SOURCES = {
    "bench": """\
from torch import nn
from helpers.widgets.layer_bench import LayerBench
LayerBench(nn.Conv2d(1, 1, 3, stride=2, padding=1, bias=False), weight="Sobel x", step=6)""",
    "pooling": """\
from torch import nn
from helpers.widgets.layer_bench import LayerBench
LayerBench(nn.MaxPool2d(3, stride=2), "random", size=7, view="backward", step=4)""",
    "stepper": """\
import torch
import torch.nn.functional as F
from helpers.networks import Net
from helpers.widgets.stepper import BackwardStepper
torch.manual_seed(0)
net = Net()
stepper = BackwardStepper(F.mse_loss(net(torch.randn(1, 1, 32, 32)), torch.randn(1, 10)), net)
stepper.step = 18
stepper""",
    "training": """\
from helpers import digits as data
from helpers.widgets.training_bench import TrainingBench
bench = TrainingBench(data.load_digits(), images=3000)
for bench.lr in (0.0003, 0.01, 0.3):
    bench.train()
bench""",
    "sketchpad": "from helpers import networks\nfrom helpers.digits import load_digits\nfrom helpers.widgets.sketchpad import Sketchpad\n"
    "Sketchpad(networks.trained(), load_digits())",
    "film": "from helpers import networks\nfrom helpers.widgets.gallery import KernelFilm\n"
    "film = KernelFilm(networks.snapshots())\nfilm.moment = 6\nfilm",
    "tracer": "from helpers.widgets.shape_tracer import ShapeTracer\nShapeTracer(side=28)",
}

with lab.jupyterlab() as address, chromium.started() as browser:
    for name in sys.argv[1:] or SOURCES:
        page = lab.open_source(
            browser,
            address,
            SOURCES[name],
            (1400 if name in ("stepper", "sketchpad") else 1180, 1200),
        )
        lab.run_all(page)
        target = FOLDER / f"{name}.png"
        page.locator(".jp-OutputArea-output").first.screenshot(path=target)
        lab.close(page)
        # 256 colours are enough, and keep the clone small.
        Image.open(target).convert("RGB").quantize(256).save(target, optimize=True)
        print(f"{target.relative_to(lab.ROOT)}: {target.stat().st_size // 1000} kB")
