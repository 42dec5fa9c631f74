"""A class on a real JupyterHub, on one machine: `python tests/tools/rehearsal.py --users 10`.

Students log in, pull the course by its link, and run notebook 01 and the first half of 05
on servers and kernels of their own; each answers some exercises. Their files are collected,
and the class's table is printed, with the seconds and the memory that each step took.
What is committed is rehearsed. It needs git, npm and a network the first time.
"""

import argparse
import contextlib
import signal
import statistics
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import classroom
import hub
import psutil
from students import Student

STEPS = "log in, server starts", "pull the course", "notebook 01", "first half of 05"
PAUSE = 2.0  # seconds between two looks at the memory


class Watch(threading.Thread):
    """Notes the most memory that each student takes, with a share of what several have
    and without, that all of them take, and the hub; in bytes.
    """

    def __init__(self, held: hub.Hub) -> None:
        super().__init__(daemon=True)
        self.held, self.done = held, threading.Event()
        self.students, self.private, self.all, self.base = {}, {}, 0, []
        self.free = sys.maxsize

    def run(self) -> None:
        while not self.done.wait(PAUSE):
            now = 0
            for name, pid in self.held.servers().items():
                size, own = classroom.memory(pid)
                self.students[name] = max(size, self.students.get(name, 0))
                self.private[name] = max(own, self.private.get(name, 0))
                now += size
            self.all = max(self.all, now)
            base, _ = classroom.memory(self.held.process.pid)
            self.base.append(base - now)  # more while servers begin
            self.free = min(self.free, psutil.virtual_memory().available)
            if self.free < classroom.SPARE:
                self.held.process.terminate()  # before the machine fails


def main(arguments: list[str] | None = None) -> None:
    """Rehearse, and print what was seen; end with 1 where a student did not come through."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--users", type=int, default=10, help="how many students")
    keep = "keep what is installed here, for the next time"
    parser.add_argument("--folder", type=Path, help=keep)
    threads = "OMP_NUM_THREADS of the students' servers, which is not set otherwise"
    parser.add_argument("--threads", type=int, help=threads)
    asked = parser.parse_args(arguments)
    given = {"OMP_NUM_THREADS": str(asked.threads)} if asked.threads else {}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # and the hub with it
    with contextlib.ExitStack() as stack:
        temporary = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        folder = asked.folder or Path(stack.enter_context(temporary))
        held = stack.enter_context(hub.hub(folder.resolve(), given))
        students = _attended(held, asked.users)
        print(held.collected())
    sys.exit(any(student.fault for student in students))


def _attended(held: hub.Hub, count: int) -> list[Student]:
    """Let a class go through the lesson, and print what it took."""
    names = [f"student{number:02}" for number in range(1, count + 1)]
    students = [Student(name, number, held.course) for number, name in enumerate(names)]
    watch = Watch(held)
    watch.start()
    with ThreadPoolExecutor(count) as pool:
        begin = time.perf_counter()
        list(pool.map(Student.attend, students))
        seconds = time.perf_counter() - begin
    watch.done.set()
    watch.join()
    _print(students, watch, seconds)
    return students


def _print(students: list[Student], watch: Watch, seconds: float) -> None:
    gigabytes = psutil.virtual_memory().total / 1e9
    print(f"{psutil.cpu_count()} cores, {gigabytes:.0f} GB of memory.\n")
    print("| step | students | median | longest |\n|---|---|---|---|")
    for place, step in enumerate(STEPS):
        took = [one.seconds[place] for one in students if len(one.seconds) > place]
        if took:
            middle, most = statistics.median(took), max(took)
            print(f"| {step} | {len(took)} | {middle:.0f} s | {most:.0f} s |")
    rows = {
        "private memory of a student, largest": max(watch.private.values(), default=0),
        "memory of a student, largest": max(watch.students.values(), default=0),
        "of all students": watch.all,
        "of the hub, median": statistics.median(watch.base or [0]),
        "left on the machine, at least": watch.free,
    }
    print("\n| server and kernels | |\n|---|---|")
    for name, size in rows.items():
        print(f"| {name} | {size / 2**20:,.0f} MiB |")
    faults = [f"{one.name}: {one.fault}" for one in students if one.fault]
    print(f"\nAfter {seconds:.0f} s the last student was done.")
    print("\n".join(faults or ["Every student came through."]) + "\n", flush=True)


if __name__ == "__main__":
    main()
