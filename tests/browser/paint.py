"""Measures the time until a large page is painted.

    python3 paint.py WA    prints only this measurement
"""

import statistics
import sys
import tempfile
from pathlib import Path

from browser import Browser
from wa import Wa

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benches/compare"))
import workload  # noqa: E402

CHATBOTS, DAYS, EVENTS = 20, 90, 200_000
ROUNDS = 9
# Records when the script has drawn the figures, and when the browser has painted them.
RECORD = """
new MutationObserver((_, observer) => {
  if (!document.querySelector('.tile')) return;
  observer.disconnect();
  requestAnimationFrame(() => setTimeout(() => { window.drawn = performance.now(); }));
}).observe(document, {subtree: true, childList: true});
"""


def measure(browser, wa):
    """Opens the page of a busy store several times. Returns a line with the medians."""
    logs = wa.folder / "workload"
    workload.CHATBOTS = CHATBOTS
    workload.make(logs, workload.volumes(EVENTS, DAYS), seed=1)
    wa.run("ingest", "-q", str(logs))
    path = wa.page("busy.html", "--as-of", "latest", "--days", str(DAYS))
    paints, drawn, views = [], [], []
    for _ in range(ROUNDS):
        with browser.open(path, init=RECORD) as page:
            while not page.evaluate("window.drawn && performance.getEntriesByName('first-contentful-paint').length"):
                page.wait_for_timeout(10)
            paints.append(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
            drawn.append(page.evaluate("window.drawn"))
            views.append(page.evaluate("""() => {
              const start = performance.now();
              [...document.querySelectorAll('#windows button')].at(-1).click();
              document.body.getBoundingClientRect();
              return performance.now() - start;
            }"""))
    return (f"{CHATBOTS} chatbots, {DAYS} days: {path.stat().st_size / 1000:,.0f} kB; medians of {ROUNDS}: "
            f"first contentful paint {statistics.median(paints):.0f} ms, figures {statistics.median(drawn):.0f} ms, "
            f"another period {statistics.median(views):.0f} ms")


def main():
    browser = Browser()
    try:
        with tempfile.TemporaryDirectory(prefix="wa-paint-") as folder:
            print(measure(browser, Wa(sys.argv[1], Path(folder), "busy")))
    finally:
        browser.close()


if __name__ == "__main__":
    main()
