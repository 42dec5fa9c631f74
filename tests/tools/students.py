"""A student of the rehearsal: what a browser does on a hub, as requests and websockets."""

import json
import re
import time
import uuid
from urllib.parse import parse_qs, urlsplit

import requests
import websocket
from hub import PASSWORD

from helpers.links import Course

START, LIMIT = 300.0, 3600.0  # seconds for a server to start, for an answer to come
HALF = "**Half way"  # begins the cell at which the first half of a notebook ends
# By notebook: a line that asks, what a student may try first, and what is right.
TRIES = {
    "01": [
        ("answer_1 = None", "answer_1 = 10", "answer_1 = 20"),
        ("answer_2 = None", "answer_2 = 24, 28, 15.5", "answer_2 = 24, 28, 15"),
        ("answer_8 = None", "answer_8 = 21, 24", "answer_8 = 24, 21"),
    ],
    "05": [("guess_steps = None", "guess_steps = 78", "guess_steps = 79")],
}


def tried(number: str, source: str, student: int) -> list[str]:
    """Return a cell of a notebook as a student runs it, one try after the other."""
    for place, (ask, *answers) in enumerate(TRIES[number]):
        if re.search(rf"^{re.escape(ask)}$", source, re.M):
            ways = answers, answers[1:], answers[:1], [ask]
            return [source.replace(ask, one) for one in ways[(student + place) % 4]]
    return [source]


class Student:
    """One who logs in, pulls the course and runs notebooks; `fault` says what went wrong.

    The seconds are those of each step that was done.
    """

    def __init__(self, name: str, number: int, course: Course) -> None:
        self.name, self.number, self.course = name, number, course
        self.home = f"{course.hub}/user/{name}"
        self.web = requests.Session()
        self.web.trust_env = False
        self.seconds, self.fault = [], ""

    def attend(self) -> None:
        """Go through the lesson, step by step, as far as it works."""
        lessons = (lambda: self._run("01"), lambda: self._run("05", HALF))
        try:
            for step in (self._enter, self._pull, *lessons):
                begin = time.perf_counter()
                step()
                self.seconds.append(time.perf_counter() - begin)
        except Exception as fault:  # the others go on
            self.fault = (
                f"after {len(self.seconds)} steps {type(fault).__name__}: {fault}"
            )

    def _enter(self) -> None:
        """Open the link, log in, and wait until it shows a page of the own server."""
        link = self.course.link("hub", "01")
        page = self.web.get(link)
        form = {"username": self.name, "password": PASSWORD}
        form["_xsrf"] = self.web.cookies.get("_xsrf", path="/hub/")
        page = self.web.post(page.url, data=form)
        end = time.monotonic() + START
        while not (
            page.ok and urlsplit(page.url).path == f"/user/{self.name}/git-pull"
        ):
            if time.monotonic() > end or not (page.ok or page.status_code == 503):
                raise RuntimeError(f"{page.status_code} for {page.url}")
            time.sleep(0.5)
            page = self.web.get(link)

    def _pull(self) -> None:
        """Do what the page of nbgitpuller does: hear until it is finished."""
        link = parse_qs(urlsplit(self.course.link("hub", "01")).query)
        asked = {"repo": link["repo"], "branch": link["branch"], "_xsrf": self._xsrf()}
        phase = ""
        with self.web.get(
            f"{self.home}/git-pull/api", params=asked, stream=True
        ) as heard:
            for line in heard.iter_lines():
                if line.startswith(b"data: "):
                    said = json.loads(line[6:])
                    phase = said["phase"]
                    if phase == "error":
                        raise RuntimeError(said["message"])
        if phase != "finished":
            raise RuntimeError(f"{heard.status_code}: the pull ended with {phase!r}")

    def _run(self, number: str, until: str | None = None) -> None:
        """Run a notebook in a kernel of its own, up to a cell that begins so; save it."""
        link = urlsplit(self.course.link("hub", number))
        path = parse_qs(link.query)["urlpath"][0].removeprefix("lab/tree/")
        saved = self._ask("GET", f"contents/{path}")
        body = {"path": path, "name": path, "type": "notebook", "kernel": {}}
        with Kernel(self, self._ask("POST", "sessions", body)) as kernel:
            for place, cell in enumerate(saved["content"]["cells"], 1):
                if until and cell["source"].startswith(until):
                    break
                if cell["cell_type"] == "code":
                    for source in tried(number, cell["source"], self.number):
                        cell["source"] = source
                        kernel.run(source, f"notebook {number}, cell {place}")
        kept = {name: saved[name] for name in ("type", "format", "content")}
        self._ask("PUT", f"contents/{path}", kept)

    def _ask(self, method: str, what: str, body: object = None) -> dict:
        """Return what the own server answers, by Jupyter's REST API."""
        header, place = {"X-XSRFToken": self._xsrf()}, f"{self.home}/api/{what}"
        answer = self.web.request(
            method, place, json=body, headers=header, timeout=LIMIT
        )
        answer.raise_for_status()
        return answer.json()

    def _xsrf(self) -> str:
        return self.web.cookies.get("_xsrf", path=f"/user/{self.name}/") or ""


class Kernel:
    """A kernel on a student's server, by the protocol of Jupyter's websockets,
    https://jupyter-client.readthedocs.io/en/stable/messaging.html.

    It goes on after the end, as that of a notebook does whose tab is closed.
    """

    def __init__(self, student: Student, session: dict) -> None:
        place = f"{student.home}/api/kernels/{session['kernel']['id']}/channels"
        asked = student.web.prepare_request(requests.Request("GET", place))
        self.id, self.cookie = session["id"], asked.headers["Cookie"]
        self.place = f"{place.replace('http', 'ws', 1)}?session_id={self.id}"

    def __enter__(self) -> "Kernel":
        self.line = websocket.create_connection(
            self.place, timeout=LIMIT, cookie=self.cookie
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.line.close()

    def run(self, source: str, where: str) -> None:
        """Run a cell to its end; raise RuntimeError where it fails."""
        message = uuid.uuid4().hex
        header = {"msg_id": message, "msg_type": "execute_request", "version": "5.4"}
        header |= {"session": self.id, "username": "", "date": ""}
        asked = {"channel": "shell", "header": header, "parent_header": {}}
        asked |= {"metadata": {}, "content": {"code": source, "allow_stdin": False}}
        self.line.send(json.dumps(asked))
        reply, idle = {}, False
        while not (reply and idle):
            kind, said = self._heard(message)
            idle = idle or said.get("execution_state") == "idle"
            reply = said if kind == "execute_reply" else reply
        if reply["status"] != "ok":
            raise RuntimeError(f"{where}: {reply.get('ename')}: {reply.get('evalue')}")

    def _heard(self, message: str) -> tuple[str, dict]:
        """Return kind and content of what comes next in answer to a message."""
        while True:
            heard = self.line.recv()
            if isinstance(heard, str):  # else it has buffers, which no reply has
                heard = json.loads(heard)
                if heard["parent_header"].get("msg_id") == message:
                    return heard["msg_type"], heard["content"]
