"""What a class asks of one machine: kernels that run the same notebook at once, as
students on a hub do.

`python tests/tools/benchmark.py class` runs it. This process imports no torch: what it shared
with the kernels would count for less in theirs.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import psutil
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).parents[2]
PREPARE = "import torch; from helpers.digits import load_digits; print(load_digits().source, torch.__version__)"
NOTEBOOKS = ("01", "05", "06")
KERNELS, QUICK = (1, 10), (1, 4)
LIMIT = 3600.0  # seconds for one class; who is not done then is given up
# bytes; where less memory is left, the class is given up before the machine fails
SPARE = 1e9
PAUSE = 1.0  # seconds between two looks at the memory
PRIVATE = "Private is what a kernel has written itself, and no other can share: the memory that each student costs."
MEANING = {
    "pss": "Memory is PSS at its highest: what several kernels share is divided among them, so it counts once.",
    "uss": "Memory is USS at its highest: what several kernels share is not counted at all.",
    "rss": "Memory is RSS at its highest: what several kernels share counts for each of them, so the sum is too high.",
}
HEADER = """\
| notebook | students | done | all done | a student: median | longest | private memory of a student: median | largest | memory of a student, largest | of all |
|---|---|---|---|---|---|---|---|---|---|"""


@dataclass
class Student:
    """A kernel that runs a notebook: seconds from when it was up to its last cell,
    largest memory in bytes, with its share of what several have and without, fault.
    """

    client: NotebookClient
    began: float = 0.0
    seconds: float = 0.0
    memory: int = 0
    private: int = 0
    fault: str = ""

    async def attend(self) -> None:
        """Run the notebook to its end in a folder of its own; what fails is noted."""
        self.client.on_notebook_start = self._begin
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            try:
                await self.client.async_execute(cwd=folder)
                self.seconds = time.perf_counter() - self.began
            except asyncio.CancelledError:
                self.fault = "given up"
            except CellExecutionError as fault:
                self.fault = f"{fault.ename}: {fault.evalue}"
            except Exception as fault:
                self.fault = f"{type(fault).__name__}: {fault}"
            finally:
                if (
                    self.client.km and self.client.km.has_kernel
                ):  # given up while it started
                    await self.client.km.shutdown_kernel(now=True)

    def look(self) -> int:
        """Return the bytes of memory that the kernel takes now, and keep the largest."""
        provisioner = getattr(self.client.km, "provisioner", None)
        pid = provisioner.pid if provisioner else None
        now, private = memory(pid) if pid else (0, 0)
        self.memory, self.private = max(self.memory, now), max(self.private, private)
        return now

    def _begin(self, notebook: nbformat.NotebookNode) -> None:
        self.began = time.perf_counter()


@dataclass
class Lesson:
    """Students who run a notebook at once: the seconds until all were done, and the
    most memory of all together.
    """

    path: Path
    count: int
    students: list[Student] = field(default_factory=list)
    seconds: float = 0.0
    memory: int = 0
    ended: str = ""

    async def hold(self) -> "Lesson":
        """Run the notebook with all students; give up those who are not done when time
        or memory is used up.
        """
        self.students = [Student(_client(self.path)) for _ in range(self.count)]
        begin = time.perf_counter()
        lessons = [asyncio.create_task(student.attend()) for student in self.students]
        watch = asyncio.create_task(self._watch(begin))
        await asyncio.wait(
            [asyncio.gather(*lessons), watch], return_when=asyncio.FIRST_COMPLETED
        )
        self.seconds = time.perf_counter() - begin
        for task in (*lessons, watch):
            task.cancel()
        await asyncio.gather(*lessons, watch, return_exceptions=True)
        return self

    async def _watch(self, begin: float) -> None:
        """Look at the memory again and again; return with the reason noted where the
        class has to end.
        """
        while not self.ended:
            now = await asyncio.to_thread(
                lambda: [student.look() for student in self.students]
            )
            self.memory = max(self.memory, sum(now))
            if psutil.virtual_memory().available < SPARE:
                self.ended = (
                    f"less than {SPARE / 1e9:.0f} GB of the machine's memory was left"
                )
            elif time.perf_counter() - begin > LIMIT:
                self.ended = f"not done after {LIMIT / 60:.0f} minutes"
            else:
                await asyncio.sleep(PAUSE)

    def row(self) -> str:
        """Return the table's row; a student's times are of those who came to the end,
        the memory is of all.
        """
        done = [student.seconds for student in self.students if not student.fault]
        private = [student.private for student in self.students]
        memory = max(student.memory for student in self.students)
        times = [self.seconds if len(done) == self.count else None]
        times += [statistics.median(done), max(done)] if done else [None, None]
        cells = [self.path.stem[:2], self.count, len(done)]
        cells += ["–" if seconds is None else f"{seconds:.0f} s" for seconds in times]
        cells += [
            f"{size / 2**20:,.0f} MiB"
            for size in (statistics.median(private), max(private), memory, self.memory)
        ]
        return "| " + " | ".join(map(str, cells)) + " |"

    def faults(self) -> list[str]:
        """Return a sentence for each student who did not come to the end."""
        who = f"Notebook {self.path.stem[:2]}, {self.count} at once: "
        return [
            who + (self.ended or student.fault)
            for student in self.students
            if student.fault
        ]


def table(kernels: tuple[int, ...]) -> bool:
    """Print a Markdown row for each notebook and each number of kernels; return whether
    every kernel came to its end.

    MNIST, where it has to be fetched, is fetched once before.
    """
    command = [sys.executable, "-c", PREPARE]
    printed = subprocess.run(
        command, capture_output=True, text=True, check=True
    ).stdout.splitlines()[-1]
    source, torch_version = printed.rsplit(maxsplit=1)
    gigabytes = psutil.virtual_memory().total / 1e9
    print(
        f"{os.cpu_count()} cores, {gigabytes:.0f} GB of memory, torch {torch_version}, {source}."
    )
    print("All kernels of a row start at once.")
    print(f"{MEANING[_measure(os.getpid())[0]]} {PRIVATE}\n\n{HEADER}", flush=True)
    faults = []
    for number in NOTEBOOKS:
        for count in kernels:
            lesson = Lesson(next((ROOT / "notebooks").glob(f"{number}*.ipynb")), count)
            asyncio.run(lesson.hold())
            print(lesson.row(), flush=True)
            faults += lesson.faults()
    print("\n" + "\n".join(faults or ["Every kernel came to its end."]))
    return not faults


def _client(path: Path) -> NotebookClient:
    notebook = nbformat.read(path, as_version=4)
    quiet = [
        "--IPKernelApp.log_level=ERROR"
    ]  # else each kernel warns that it talks over TCP
    limits = {"timeout": int(LIMIT), "startup_timeout": int(LIMIT)}
    return NotebookClient(
        notebook, kernel_name="python3", extra_arguments=quiet, **limits
    )


def memory(pid: int) -> tuple[int, int]:
    """Return the bytes that a process and its children take, and those of them that
    are private; 0 where it is gone.
    """
    try:
        processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        sizes = [_measure(process.pid)[1:] for process in processes]
    except psutil.NoSuchProcess:
        return 0, 0
    return tuple(map(sum, zip(*sizes, strict=True)))


def _measure(pid: int) -> tuple[str, int, int]:
    """Return the best measure of memory that the system gives, by name, the bytes, and
    how many of them are private.
    """
    process = psutil.Process(pid)
    try:
        full = process.memory_full_info()
    except psutil.AccessDenied:
        return "rss", *2 * (process.memory_info().rss,)
    name = "pss" if hasattr(full, "pss") else "uss"
    return name, getattr(full, name), _written(pid) or full.uss


def _written(pid: int) -> int:
    """Return the bytes that a process has written, where Linux says it: the code of
    libraries is not among them, also where no other process uses these now.
    """
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(1024 * int(line.split()[1]) for line in lines if "Private_Dirty" in line)
