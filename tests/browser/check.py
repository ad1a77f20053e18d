#!/usr/bin/env python3
"""Opens dashboards in Chromium: controls, figures, themes, widths, print, accessibility, safety.

Usage: check.py WA LOG... [--shots FOLDER]

With `--shots`, writes screenshots to a folder for inspection. At the end, prints the time until the page
of 20 chatbots and 90 days is painted.
"""

import argparse
import shutil
import sys
import tempfile
import unittest
from pathlib import Path

import cases
import paint
from browser import Browser
from wa import Wa, annotate, hostile_log


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wa")
    parser.add_argument("logs", nargs="+")
    parser.add_argument("--shots", type=Path)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="wa-dashboard-"))
    browser = Browser()
    try:
        cases.FIXTURE.browser = browser
        cases.FIXTURE.shots = given.shots
        sample = Wa(given.wa, folder, "sample")
        sample.run("ingest", "-q", *given.logs)
        annotate(sample)
        hostile = Wa(given.wa, folder, "hostile")
        (folder / "hostile.ndjson").write_text(hostile_log(), encoding="utf-8")
        hostile.run("ingest", "-q", str(folder / "hostile.ndjson"))
        empty = Wa(given.wa, folder, "empty")
        empty.run("init")
        cases.FIXTURE.sample, cases.FIXTURE.hostile, cases.FIXTURE.empty = sample, hostile, empty
        cases.FIXTURE.page = sample.page("sample.html", "--as-of", "latest")
        cases.FIXTURE.hostile_page = hostile.page("hostile.html", "--as-of", "latest", "--limit", "all", "--include-bots")
        cases.FIXTURE.empty_page = empty.page("empty.html")
        suite = unittest.defaultTestLoader.loadTestsFromModule(cases)
        if given.only:
            tests = [test for group in suite for test in group if given.only in test.id()]
            suite = unittest.TestSuite(tests)
        outcome = unittest.TextTestRunner(verbosity=2).run(suite)
        if not given.only:
            print(paint.measure(browser, Wa(given.wa, folder, "busy")))
        return 0 if outcome.wasSuccessful() and outcome.testsRun > 0 else 1
    finally:
        browser.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
