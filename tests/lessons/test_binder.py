"""Binder builds what we mean: the rendered Dockerfile (no Docker needed), the pins, the
scripts.
"""

import os
import re
import shutil
import subprocess
import sys
from zipfile import ZipFile

import pytest
from refresh import ROOT

BINDER = ROOT / "binder"
TESTS_ONLY = {"nbval", "pytest", "pytest-xdist", "hypothesis", "playwright"}
TESTS_ONLY |= {"jupyter-repo2docker", "psutil", "ruff"}
HUBS_ONLY = {"nbgitpuller"}


def pins(path):
    lines = [line.partition("#")[0].strip() for line in path.read_text().splitlines()]
    return dict(line.split("==") for line in lines if line and not line.startswith("-"))


@pytest.fixture(scope="module")
def dockerfile():
    command = [
        sys.executable,
        "-m",
        "repo2docker",
        "--no-build",
        "--debug",
        "--user-id",
        "1000",
        "--user-name",
        "jovyan",
    ]
    done = subprocess.run(
        [*command, str(ROOT)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_the_image_has_our_python_our_pins_and_our_scripts(dockerfile):
    version = (BINDER / "runtime.txt").read_text().strip().removeprefix("python-")
    assert f"py-2d{version.replace('.', '-2e')}-2dlinux" in dockerfile
    install = dockerfile.index(
        'pip install --no-cache-dir -r "binder/requirements.txt"'
    )
    copy = dockerfile.index("COPY --chown=1000:1000 src/ ${REPO_DIR}/")
    built = dockerfile.index("RUN ./binder/postBuild")
    assert install < copy < built, (
        "the packages come first, so that a change of a notebook does not install them anew"
    )
    assert 'R2D_ENTRYPOINT="${REPO_DIR}/binder/start"' in dockerfile


def test_python_is_one_that_the_package_takes():
    major, minor = (
        (BINDER / "runtime.txt").read_text().strip().removeprefix("python-").split(".")
    )
    assert 'requires-python = ">=3.11"' in (ROOT / "pyproject.toml").read_text()
    assert (int(major), int(minor)) >= (3, 11)


def test_the_pins_are_those_of_the_requirements():
    binder, course = pins(BINDER / "requirements.txt"), pins(ROOT / "requirements.txt")
    assert set(binder) >= HUBS_ONLY
    assert {
        name: version for name, version in binder.items() if name not in HUBS_ONLY
    } == {
        name: version + ("+cpu" if name.startswith("torch") else "")
        for name, version in course.items()
        if name not in TESTS_ONLY
    }
    assert set(course) >= TESTS_ONLY
    text = (BINDER / "requirements.txt").read_text()
    assert "--extra-index-url https://download.pytorch.org/whl/cpu" in text
    assert not re.search(r"^-[re]\b", text, re.MULTILINE), (
        "repo2docker keeps no cached layer then"
    )
    assert "index" not in (ROOT / "requirements.txt").read_text()


def test_what_is_installed_here_is_what_is_pinned():
    from importlib.metadata import version

    for name, pin in pins(ROOT / "requirements.txt").items():
        assert version(name).partition("+")[0] == pin, name


@pytest.mark.parametrize("script", ["postBuild", "start"])
def test_a_failing_line_is_not_passed_over(script):
    path = BINDER / script
    assert "set -euo pipefail" in path.read_text()
    assert path.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", path], check=True)


def test_the_image_is_built_with_helpers_and_all_of_mnist_or_none():
    build = (BINDER / "postBuild").read_text()
    assert (
        "pip install" in build
        and "jupyter trust notebooks/*.ipynb" in build
        and 'MNIST("data"' in build
    )
    assert "|| { rm -rf data && " in build


@pytest.mark.parametrize(
    "hub", [{}, {"OMP_NUM_THREADS": "2", "MNIST_ROOT": "/srv/mnist"}]
)
@pytest.mark.parametrize("in_image", [True, False])
def test_a_session_has_one_thread_and_the_images_mnist_unless_the_hub_says_otherwise(
    tmp_path, hub, in_image
):
    (tmp_path / "binder").mkdir()
    shutil.copy(BINDER / "start", tmp_path / "binder")
    if in_image:
        (tmp_path / "data").mkdir()
    env = {
        name: value
        for name, value in os.environ.items()
        if name not in ("OMP_NUM_THREADS", "MNIST_ROOT")
    } | hub
    show = 'echo "$OMP_NUM_THREADS ${MNIST_ROOT-none}"'
    done = subprocess.run(
        [tmp_path / "binder" / "start", "bash", "-c", show],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    kept = hub.get("MNIST_ROOT", tmp_path / "data" if in_image else "none")
    assert done.stdout == f"{hub.get('OMP_NUM_THREADS', 1)} {kept}\n"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the package that a `pip install` from the repository builds."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip"]
    command = [*pip, "wheel", "-q", "--no-deps", "-w", folder, ROOT]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_the_package_carries_the_pages_files(wheel):
    names = set(ZipFile(wheel).namelist())
    kinds = ("*.py", "*.js", "*.js*", "*.css", "*.j2", "assets/*")
    found = {path for kind in kinds for path in (ROOT / "helpers").rglob(kind)}
    assert names >= {path.relative_to(ROOT).as_posix() for path in found}
    assert names >= {f"exercises/lesson_0{number}.py" for number in range(1, 8)}


def test_the_package_brings_what_colab_lacks_and_no_other_torch(wheel):
    archive = ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
    needs = re.findall(r"^Requires-Dist: (.+)$", archive.read(name).decode(), re.M)
    assert needs == ["anywidget"]


@pytest.mark.slow
def test_the_package_works_away_from_its_repository(wheel, tmp_path):
    ZipFile(wheel).extractall(tmp_path)
    lines = (
        "import exercises, helpers, sys",
        "from exercises import lesson_01, lesson_07",
        "from helpers import networks, presets",
        "from helpers.autoencoders import trained_autoencoder",
        "from helpers.widgets.layer_bench import LayerBench",
        "assert {part.__file__[: len(sys.argv[1])] for part in (exercises, helpers)}"
        " == {sys.argv[1]}",
        "networks.trained(), networks.snapshots(), trained_autoencoder(2)",
        "from torch import nn",
        "assert LayerBench(nn.Conv2d(1, 1, 3))._repr_mimebundle_()[0]['image/png']",
    )
    env = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", "\n".join(lines), tmp_path]
    subprocess.run(command, check=True, cwd=tmp_path, env=env)
