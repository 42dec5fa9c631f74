"""Look at a made site: `python tests/tools/site_check.py FOLDER` prints each link that
leads nowhere and what axe-core finds, page by page.
"""

import gzip
import sys
import threading
from contextlib import contextmanager
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import alive
import chromium
from bs4 import BeautifulSoup

SPEED = {"offline": False, "latency": 40, "downloadThroughput": 10e6 / 8}
SPEED |= {"uploadThroughput": 10e6 / 8}


def broken(folder):
    """Return each link, picture and script of the pages that leads nowhere."""
    pages = {path.name: _read(path) for path in sorted(folder.glob("*.html"))}
    found = []
    for name, soup in pages.items():
        for tag in soup.select("[href], [src]"):
            link = urlsplit(tag.get("href") or tag.get("src"))
            if link.scheme or link.netloc:
                continue
            target = unquote(link.path) or name
            anchors = pages.get(target)
            missing = not (folder / target).is_file()
            lost = link.fragment and anchors and not anchors.find(id=link.fragment)
            if missing or lost:
                found.append(f"{name}: {link.geturl()}")
    return found


def _read(path):
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


@cache
def _packed(path):
    return gzip.compress(path.read_bytes())


# When the bench has answered, as the page itself sees it.
CLOCK = """new MutationObserver(() => {
  const says = document.querySelector(".bench-status")?.textContent ?? "";
  if (says.startsWith("Step 1")) window.answered ??= performance.now() / 1000;
}).observe(document, { childList: true, characterData: true, subtree: true })"""


class _Packed(SimpleHTTPRequestHandler):
    """Files as a server sends them that packs what is text."""

    protocol_version = "HTTP/1.1"  # one connection for several files

    def do_GET(self):
        path = Path(self.translate_path(self.path))
        data = _packed(path) if path.is_file() else b""
        self.send_response(200 if data else 404)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@contextmanager
def served(folder):
    """Serve a folder, and yield its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Packed, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def opening(browser, address):
    """Open a page at 10 Mbit/s and 40 ms, press a key as soon as a slider is there, and
    return the seconds until its bench has answered and the bytes that came.
    """
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    page = context.new_page()
    page.add_init_script(CLOCK)
    line = context.new_cdp_session(page)
    line.send("Network.enable")
    line.send("Network.emulateNetworkConditions", SPEED)
    came = []
    line.on(
        "Network.loadingFinished", lambda one: came.append(one["encodedDataLength"])
    )
    page.goto(f"{address}/index.html", wait_until="commit")
    step = page.locator(".bench-step").first
    step.wait_for()
    step.press("ArrowRight")
    page.wait_for_function("window.answered")
    seconds = page.evaluate("window.answered")
    context.close()
    return seconds, sum(came)


def main(folder):
    """Print what is wrong with a site; exit with 1 where something is."""
    found = broken(folder)
    with chromium.started() as browser:
        for path in sorted(folder.glob("*.html")):
            page, failed = alive.visited(browser, path.as_uri())
            trouble = [] if "slides" in path.name else alive.troubles(page)
            found += [f"{path.name}: {one}" for one in (*failed, *trouble)]
            page.context.close()
    print("\n".join(found) or f"{folder}: no broken link, nothing that axe-core minds")
    sys.exit(bool(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
