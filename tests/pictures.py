"""Take the README's picture anew from a real JupyterLab: `python tests/pictures.py`."""

import lab
from PIL import Image

TARGET = lab.ROOT / "notebooks" / "images" / "bench.png"
SOURCE = """\
from helpers.explorer import ConvolutionBench
bench = ConvolutionBench(input_size=8, kernel_size=3, stride=2, padding=1)
bench.step = 6
bench"""

with lab.jupyterlab() as address, lab.chromium() as browser:
    page = lab.open_source(browser, address, SOURCE, (1180, 900))
    lab.run_all(page)
    page.locator(".jp-OutputArea-output").first.screenshot(path=TARGET)
# 64 colours are enough, and keep the clone small.
Image.open(TARGET).convert("RGB").quantize(64).save(TARGET, optimize=True)
print(f"{TARGET.relative_to(lab.ROOT)}: {TARGET.stat().st_size // 1000} kB")
