"""Opens pages in Chromium, and records their console messages, errors, dialogs and requests."""

import shutil
import tempfile
from contextlib import contextmanager

from playwright.sync_api import sync_playwright

EXECUTABLES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]
WIDTHS = (360, 768, 1280, 1920)


def executable():
    """Returns the path of the browser."""
    found = [path for name in EXECUTABLES if (path := shutil.which(name))]
    if not found:
        raise SystemExit("no browser: apt-get install chromium")
    return found[0]


class Browser:
    """A browser with a new profile."""

    def __init__(self):
        self.profile = tempfile.TemporaryDirectory(prefix="wa-browser-")
        self.playwright = sync_playwright().start()
        self.browser = self.playwright.chromium.launch(
            executable_path=executable(), headless=True, args=ARGUMENTS)

    def close(self):
        """Closes the browser."""
        self.browser.close()
        self.playwright.stop()
        self.profile.cleanup()

    @contextmanager
    def open(self, path, fragment="", width=1280, height=900, init=None, **options):
        """Opens a file. `page.problems` collects console messages, errors, dialogs and requests, none of
        which a safe page causes."""
        context = self.browser.new_context(
            viewport={"width": width, "height": height}, reduced_motion=options.pop("reduced_motion", "reduce"), **options)
        page = context.new_page()
        problems = []
        url = path.resolve().as_uri()
        page.on("console", lambda message: problems.append(f"console: {message.type}: {message.text}"))
        page.on("pageerror", lambda error: problems.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (problems.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("popup", lambda popup: problems.append(f"popup: {popup.url}"))
        page.on("request", lambda request: request.url.split("#")[0] != url and problems.append(f"request: {request.url[:200]}"))
        page.problems = problems
        if init:
            page.add_init_script(init)
        page.goto(url + fragment)
        if options.get("java_script_enabled", True) and "report" not in path.name:
            page.wait_for_selector("html[data-ready]")
        try:
            yield page
        finally:
            context.close()
