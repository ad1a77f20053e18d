"""Tests of the dashboard."""

import re
import unittest

from axe_playwright_python.sync_playwright import Axe

from browser import WIDTHS
from shown import duration, number, percent, shown
from wa import HOSTILE

WINDOWS = {"7 days": 7, "30 days": 30, "90 days": 90, "12 months": 365}
# Records the text that the page copies to the clipboard.
RECORD_COPIES = """
Object.defineProperty(navigator, 'clipboard', {value: {writeText: async (text) => { window.copied = text; }}});
"""


class Fixture:
    """The state that all tests share."""


FIXTURE = Fixture()


def rows(page, title):
    """Returns the text of each cell of a table, given the caption."""
    return page.evaluate("""(title) => {
      const table = [...document.querySelectorAll('table')].find((table) => table.caption && table.caption.textContent === title);
      return [...table.tBodies[0].rows].map((row) => [...row.cells].map((cell) => cell.textContent));
    }""", title)


def tile(page, key):
    """Returns the value of a figure."""
    return page.evaluate("""(key) => {
      const figure = document.querySelector(`[data-figure="${key}"]`);
      return (figure.querySelector('.tile-value') || figure.querySelector('b')).textContent;
    }""", key)


class DashboardCase(unittest.TestCase):
    """A test that opens pages, and fails if the browser reports a problem with any of them."""

    def open(self, path=None, **options):
        """Opens a page. At the end of the test, checks that the page caused no problems."""
        context = FIXTURE.browser.open(path or FIXTURE.page, **options)
        page = context.__enter__()
        self.addCleanup(lambda: context.__exit__(None, None, None))
        self.addCleanup(lambda: self.assertEqual(page.problems, []))
        return page

    def shot(self, page, name, full=True):
        """Writes a screenshot if a folder for screenshots is set."""
        if FIXTURE.shots:
            FIXTURE.shots.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=str(FIXTURE.shots / f"{name}.png"), full_page=full)

    def wait_for(self, page, condition):
        """Waits for a condition. Playwright's `wait_for_function` needs `eval`, which the page forbids."""
        for _ in range(200):
            if page.evaluate(condition):
                return
            page.wait_for_timeout(25)
        self.fail(f"{condition} does not hold")

    def assert_no_stray_values(self, page):
        """Checks that the page contains no text such as `null` or `undefined` for a missing value."""
        text = page.locator("main").inner_text()
        for word in ("null", "undefined", "NaN", "[object"):
            self.assertNotIn(word, text)

    def assert_accessible(self, page, context=None):
        """Checks the page with axe-core."""
        found = Axe().run(page, context=context).response["violations"]
        report = [f"{item['id']}: {item['help']}: {[node['html'][:160] for node in item['nodes'][:3]]}" for item in found]
        self.assertEqual(report, [])


class Figures(DashboardCase):
    def test_figures_equal_those_of_reports(self):
        page = self.open()
        names = page.locator("#scope option").all_text_contents()
        self.assertEqual(len(names), 5)
        self.assertEqual(names[0], "All chatbots")
        for name in names:
            page.select_option("#scope", label=name)
            for label, days in WINDOWS.items():
                page.click(f"#windows button:text-is('{label}')")
                scope = [] if name == "All chatbots" else ["--chatbot", name]
                window = ["--as-of", "latest", "--days", str(days), *scope]
                self.compare(page, window, f"{name}, {label}")

    def compare(self, page, window, at):
        """Compares a view with reports."""
        wa = FIXTURE.sample
        summary = wa.json("summary", "--compare", *window)
        figures = summary["summary"]
        for key, text in {
            "total_sessions": number, "unique_visitors": number, "total_conversations": number,
            "conversion_rate": percent, "new_visitors": number, "returning_visitors": number,
            "total_messages_sent": number, "total_messages_received": number,
            "avg_session_duration_seconds": duration, "error_count": number, "bot_sessions_excluded": number,
        }.items():
            self.assertEqual(tile(page, key), text(figures[key]), f"{at}: {key}")
        change = page.locator("[data-figure='total_sessions'] .change").text_content()
        before = summary["comparison"]["summary"]["total_sessions"]
        expected = before["change_percent"]
        if expected is not None:
            sign = "+" if expected > 0 else ""
            self.assertIn(f"{sign}{percent(expected)} from {number(before['previous'])}", change, at)
        channels = wa.json("sources", *window)["channels"]
        found = rows(page, "Channels")[:8]
        self.assertEqual([row[:2] for row in found], [[row["channel"], number(row["count"])] for row in channels[:8]], at)
        events = wa.json("events", "--limit", "8", *window)["events"]
        self.assertEqual([row[:3] for row in rows(page, "Events")[:8]],
                         [[row["event_name"], number(row["event_count"]), number(row["unique_sessions"])] for row in events], at)
        steps = wa.json("funnel", *window)["steps"]
        found = page.evaluate("[...document.querySelectorAll('.step')].map((step) => [step.querySelector('.step-name').textContent, step.querySelector('b').textContent])")
        self.assertEqual(found, [[step["name"], number(step["count"])] for step in steps], at)
        performance = wa.json("performance", *window)["response_time_ms"]
        found = [row for row in rows(page, "Response and load times") if row[0] == "Response time"][0]
        self.assertEqual(found[1], number(performance["count"]), at)
        self.assertEqual(found[2:], [shown(performance[key]) for key in ("mean", "p50", "p75", "p95", "p99")], at)

    def test_heatmap_and_retention_equal_reports(self):
        page = self.open()
        wa = FIXTURE.sample
        cells = wa.json("heatmap", "--as-of", "latest", "--days", "30")["cells"]
        for metric, label in [("sessions", "Sessions"), ("visitors", "Visitors"), ("messages", "Messages")]:
            page.select_option("[aria-label='Metric of the heatmap']", metric)
            found = rows(page, f"{label} by weekday and hour")
            self.assertEqual([text for row in found for text in row[1:]], [number(cell[metric]) for cell in cells])
        cohorts = wa.json("retention", "--interval", "week", "--as-of", "latest", "--days", "30")["cohorts"]
        found = rows(page, "Share of new visitors that came back")
        self.assertEqual([row[1] for row in found], [number(cohort["visitors"]) for cohort in cohorts])
        for row, cohort in zip(found, cohorts):
            rates = [f"{int(period['rate'] + 0.5)}%" if period["rate"] >= 1 or period["rate"] == 0 else "<1%" for period in cohort["periods"][1:]]
            self.assertEqual([text for text in row[2:] if text], rates)


class Controls(DashboardCase):
    def test_lists_sort_search_and_expand(self):
        page = self.open()
        card = page.locator("section.card", has=page.locator("h2:text-is('Events')"))
        self.assertEqual(card.locator("tbody tr").count(), 8)
        card.get_by_role("button", name=re.compile("Show all")).click()
        all_rows = [row[0] for row in rows(page, "Events")]
        self.assertGreater(len(all_rows), 8)
        card.get_by_role("button", name="Event", exact=True).click()
        names = [row[0] for row in rows(page, "Events")]
        self.assertEqual(names, sorted(names))
        self.assertEqual(card.locator("th[aria-sort='ascending']").count(), 1)
        card.get_by_role("button", name="Event", exact=True).click()
        self.assertEqual([row[0] for row in rows(page, "Events")], sorted(names, reverse=True))
        card.get_by_role("button", name="Count", exact=True).click()
        counts = [int(row[1].replace(",", "")) for row in rows(page, "Events")]
        self.assertEqual(counts, sorted(counts, reverse=True))
        card.get_by_role("searchbox").fill("MESSAGE_")
        found = [row[0] for row in rows(page, "Events")]
        self.assertTrue(found and all("message_" in name for name in found), found)
        card.get_by_role("searchbox").fill("no such event")
        self.assertIn("Nothing found", card.inner_text())
        card.get_by_role("searchbox").fill("")
        card.get_by_role("button", name="Show less").click()
        self.assertEqual(card.locator("tbody tr").count(), 8)

    def test_rows_are_copied_as_csv(self):
        page = self.open(init=RECORD_COPIES)
        page.get_by_role("button", name="Copy Channels as CSV").click()
        copied = page.evaluate("window.copied").split("\r\n")
        channels = FIXTURE.sample.json("sources", "--as-of", "latest", "--days", "30")["channels"]
        self.assertEqual(copied[0], "channel,count,share")
        self.assertEqual([line.split(",")[:2] for line in copied[1:-1]], [[row["channel"], str(row["count"])] for row in channels])
        details = page.locator(".series details")
        details.locator("summary").click()
        details.get_by_role("button", name="Copy Sessions by day as CSV").click()
        copied = page.evaluate("window.copied").split("\r\n")
        trends = FIXTURE.sample.json("trends", "--as-of", "latest", "--days", "30")["trends"]
        keys = ["stat_date", "sessions", "conversations", "messages", "conversion_rate"]
        self.assertEqual(copied[0], ",".join(keys))
        self.assertEqual(copied[1:-1], [",".join(str(row[key]) for key in keys) for row in trends])

    def test_copy_without_a_clipboard_shows_a_result(self):
        page = self.open(init="Object.defineProperty(navigator, 'clipboard', {value: undefined});")
        button = page.get_by_role("button", name="Copy Channels as CSV")
        button.click()
        self.assertIn(button.text_content(), ("Copied", "Not copied"))

    def test_figures_select_the_time_series(self):
        page = self.open()
        for key, legend in [("unique_visitors", "Visitors"), ("conversion_rate", "Conversion"), ("total_sessions", "Sessions")]:
            page.click(f"[data-figure='{key}']")
            self.assertEqual(page.locator(".key-now").text_content(), legend)
            self.assertEqual(page.locator(".tile[aria-pressed='true']").get_attribute("data-figure"), key)
        page.click("text=Messages by day")
        self.assertEqual(page.locator(".key-now").text_content(), "Messages")

    def test_chart_is_read_with_pointer_and_keyboard(self):
        page = self.open()
        trends = FIXTURE.sample.json("trends", "--compare", "--as-of", "latest", "--days", "30")
        chart = page.locator(".chart")
        chart.focus()
        page.keyboard.press("Home")
        for step, row in enumerate(trends["trends"][:3]):
            said = page.locator("#said").text_content()
            self.assertIn(f"Sessions {number(row['sessions'])}", said)
            previous = trends["comparison"]["trends"][step]["sessions"]["previous"]
            self.assertTrue(said.endswith(number(previous)) or f"{number(previous)}," in said, said)
            page.keyboard.press("ArrowRight")
        page.keyboard.press("End")
        self.assertIn("9 Nov 2026", page.locator("#said").text_content())
        page.keyboard.press("Escape")
        self.assertFalse(page.locator(".tip").is_visible())
        box = chart.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 100)
        self.assertTrue(page.locator(".tip").is_visible())
        self.assertIn("Previous period", page.locator(".tip").inner_text())

    def test_previous_period_is_drawn_from_first_day_with_data(self):
        # The previous period is 11 September to 10 October. The data begins on 1 October, so the line
        # has 10 points, which end at the right edge of the chart.
        page = self.open()
        drawn = page.locator(".chart path.previous").get_attribute("d")
        self.assertEqual(len(re.findall("[ML]", drawn)), 10, drawn)
        page.click("[data-figure='unique_visitors']")
        visitors = page.locator(".chart path.previous").get_attribute("d")
        self.assertEqual(len(re.findall("[ML]", visitors)), 10, visitors)
        current = page.locator(".chart path.line").get_attribute("d")
        self.assertEqual(len(re.findall("[ML]", current)), 30, current)
        last = lambda path: path.split("L")[-1].split()[0]
        self.assertEqual(last(drawn), last(current))

    def test_annotations_are_marked_as_text(self):
        page = self.open()
        self.assertEqual(page.locator(".notes li").all_inner_texts(),
                         ["20 Oct 2026 new <b>widget</b>", "3 Nov 2026 campaign starts", "3 Nov 2026 price change"])
        self.assertEqual(page.locator(".note-dot").count(), 2)

    def test_tabs_work_with_arrow_keys(self):
        page = self.open()
        tabs = page.get_by_role("tablist", name="Sources").get_by_role("tab")
        tabs.nth(0).focus()
        page.keyboard.press("ArrowRight")
        self.assertEqual(tabs.nth(1).get_attribute("aria-selected"), "true")
        self.assertEqual(page.evaluate("document.activeElement.textContent"), "Referrers")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowLeft")
        self.assertEqual(tabs.nth(2).get_attribute("aria-selected"), "true")

    def test_choice_survives_a_reload(self):
        page = self.open()
        page.select_option("#scope", label="help-center")
        page.click("#windows button:text-is('90 days')")
        self.assertIn("chatbot=help-center&days=90", page.url)
        sessions = tile(page, "total_sessions")
        page.reload()
        page.wait_for_selector("html[data-ready]")
        self.assertEqual((page.locator("#scope").input_value() != "0", tile(page, "total_sessions")), (True, sessions))
        other = self.open(fragment="#chatbot=nobody&days=x")
        self.assertEqual(other.locator("#scope").input_value(), "0")

    def test_everything_is_reached_with_the_keyboard(self):
        page = self.open()
        page.keyboard.press("Tab")
        self.assertEqual(page.evaluate("document.activeElement.textContent"), "Skip to the figures")
        reached = set()
        for _ in range(200):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("document.activeElement.id || document.activeElement.className || document.activeElement.tagName"))
        for name in ("scope", "theme", "tile", "chart", "sort", "search", "quiet copy", "scroll"):
            self.assertIn(name, reached)


class Look(DashboardCase):
    def test_theme_follows_the_system_and_the_switch(self):
        background = "getComputedStyle(document.body).backgroundColor"
        light = self.open(color_scheme="light")
        dark = self.open(color_scheme="dark")
        colors = (light.evaluate(background), dark.evaluate(background))
        self.assertEqual(colors, ("rgb(245, 246, 248)", "rgb(14, 17, 22)"))
        light.select_option("#theme", "dark")
        self.assertEqual(light.evaluate(background), colors[1])
        light.reload()
        light.wait_for_selector("html[data-ready]")
        self.assertEqual(light.evaluate(background), colors[1])
        dark.select_option("#theme", "light")
        self.assertEqual(dark.evaluate(background), colors[0])

    def test_page_fits_every_width_in_both_themes(self):
        for width in WIDTHS:
            for theme in ("light", "dark"):
                page = self.open(width=width, color_scheme=theme)
                for days in ("30 days", "12 months"):
                    page.click(f"#windows button:text-is('{days}')")
                    overflow = page.evaluate("document.scrollingElement.scrollWidth - innerWidth")
                    self.assertLessEqual(overflow, 0, f"{width} {theme} {days}")
                    self.assert_no_stray_values(page)
                self.shot(page, f"{width}-{theme}-year")
                page.click("#windows button:text-is('30 days')")
                self.shot(page, f"{width}-{theme}")

    def test_figures_are_not_cut_at_any_width(self):
        page = self.open()
        # Show figures that are as wide as possible.
        page.evaluate("""() => {
          const write = (selector, text) => document.querySelectorAll(selector).forEach((place) => { place.textContent = text; });
          write('.tile-value, .small-figure b', '12,345,678');
          write('.change > span:first-child', '▲ +12,345.67%');
          write('.before', 'from 12,345,678');
        }""")
        for width in (360, 400, 520, 521, 768, 800, 801, 1240, 1241, 1920):
            page.set_viewport_size({"width": width, "height": 900})
            cut = page.evaluate("""[...document.querySelectorAll('.tile, .small-figure')].flatMap((place) => {
              const box = place.getBoundingClientRect();
              return [...place.querySelectorAll('span, dt, b')].filter((part) => {
                const range = document.createRange();
                range.selectNodeContents(part);
                const text = range.getBoundingClientRect();
                const style = getComputedStyle(part);
                return text.left < box.left || text.right > box.right || text.bottom > box.bottom || style.textOverflow === 'ellipsis';
              }).map((part) => part.textContent);
            })""")
            self.assertEqual(cut, [], width)

    def test_page_has_no_layout_shift(self):
        page = self.open(init="""
          window.shift = 0;
          new PerformanceObserver((list) => list.getEntries().forEach((entry) => { window.shift += entry.value; }))
            .observe({type: 'layout-shift', buffered: true});
        """)
        self.wait_for(page, "performance.getEntriesByName('first-contentful-paint').length > 0")
        page.wait_for_timeout(300)
        self.assertLess(page.evaluate("window.shift"), 0.02)

    def test_page_prints_on_a4(self):
        for theme in ("light", "dark"):
            page = self.open(color_scheme=theme)
            pdf = page.pdf(format="A4", print_background=True)
            pages = len(re.findall(rb"/Type\s*/Page\b", pdf))
            self.assertTrue(2 <= pages <= 6, f"{pages} pages")
            if FIXTURE.shots:
                FIXTURE.shots.mkdir(parents=True, exist_ok=True)
                (FIXTURE.shots / f"print-{theme}.pdf").write_bytes(pdf)
            page.emulate_media(media="print")
            self.assertEqual(page.evaluate("getComputedStyle(document.body).backgroundColor"), "rgb(255, 255, 255)")
            self.assertFalse(page.locator(".controls").is_visible())
            # The width of A4 without its margins, in CSS pixels.
            page.set_viewport_size({"width": 703, "height": 1000})
            cut = page.evaluate("""[...document.querySelectorAll('.scroll')]
              .filter((area) => area.scrollWidth > area.clientWidth + 1).map((area) => area.getAttribute('aria-label'))""")
            self.assertEqual(cut, [])

    def test_reduced_motion_has_no_transitions(self):
        duration_of = "getComputedStyle(document.querySelector('.tile')).transitionDuration"
        self.assertEqual(self.open(reduced_motion="reduce").evaluate(duration_of), "0s")
        self.assertNotEqual(self.open(reduced_motion="no-preference").evaluate(duration_of), "0s")


class Accessibility(DashboardCase):
    def test_axe_finds_no_violations(self):
        for width, theme in [(1280, "light"), (1280, "dark"), (360, "light"), (360, "dark")]:
            page = self.open(width=width, color_scheme=theme)
            for details in page.locator("details summary").all():
                details.click()
            self.assert_accessible(page)

    def test_axe_finds_no_violations_on_other_pages(self):
        self.assert_accessible(self.open(FIXTURE.empty_page))
        self.assert_accessible(self.open(FIXTURE.hostile_page))
        for theme in ("light", "dark"):
            path = FIXTURE.sample.report("report.html", "all", "--as-of", "latest")
            page = self.open(path, color_scheme=theme)
            self.assert_accessible(page)
            self.shot(page, f"report-{theme}")

    def test_row_labels_of_reports_are_readable_on_a_phone(self):
        # A label that wraps after every letter has dozens of lines.
        for report in ("conversations", "paths"):
            path = FIXTURE.sample.report(f"report-{report}.html", report, "--as-of", "latest")
            page = self.open(path, width=360)
            lines = page.locator(".answer tbody th").evaluate_all(
                "cells => cells.filter((cell) => cell.textContent.length <= 30)"
                ".map((cell) => cell.clientHeight / parseFloat(getComputedStyle(cell).lineHeight))")
            self.assertGreater(len(lines), 5)
            self.assertLess(max(lines), 4, report)
            self.shot(page, f"phone-{report}")


class Safety(DashboardCase):
    def test_hostile_strings_have_no_effect(self):
        page = self.open(FIXTURE.hostile_page, init=RECORD_COPIES)
        names = page.locator("#scope option").all_text_contents()
        self.assertEqual(len(names), 1 + len(HOSTILE))
        self.shot(page, "hostile")
        for name in range(len(names)):
            page.select_option("#scope", index=name)
            for label in WINDOWS:
                page.click(f"#windows button:text-is('{label}')")
        page.select_option("#scope", index=0)
        for summary in page.locator("details summary").all():
            summary.click()
        page.evaluate("[...document.querySelectorAll('button')].filter((button) => button.textContent.startsWith('Show all')).forEach((button) => button.click())")
        self.assertTrue("'=HYPERLINK" in page.evaluate("""[...document.querySelectorAll('.copy')].map((button) => { button.click(); return window.copied; }).join('')"""))
        text = page.evaluate("document.querySelector('main').innerText")
        for shown_text in ("<script>window.hacked = 1</script>", "\\u{202e}gnp.exe", "\\u{1b}]0;title"):
            self.assertIn(shown_text, text)
        self.assertFalse(re.search("[\u0000-\u0008\u001b\u202a-\u202e\u2066-\u2069]", text))
        page.wait_for_timeout(200)
        self.assertIsNone(page.evaluate("window.hacked ?? null"))
        self.assertEqual(page.evaluate("document.querySelectorAll('iframe, img, link, object, embed, base').length"), 0)
        self.assertEqual(page.evaluate("document.scripts.length"), 2)
        self.assertEqual(page.evaluate("document.scrollingElement.scrollWidth <= innerWidth"), True)

    def test_policy_stops_scripts_and_requests(self):
        with FIXTURE.browser.open(FIXTURE.page) as page:
            page.evaluate("""() => {
              const script = document.createElement('script');
              script.textContent = 'window.hacked = 1';
              document.body.append(script);
              const image = document.createElement('img');
              image.src = 'https://evil.example/';
              document.body.append(image);
            }""")
            outcome = page.evaluate("fetch('https://evil.example/').then(() => 'sent', () => 'blocked')")
            self.assertEqual((outcome, page.evaluate("window.hacked ?? null")), ("blocked", None))
            # The browser reports blocked requests, so all other tests would detect them.
            self.assertTrue(any("Content Security Policy" in problem for problem in page.problems), page.problems)

    def test_page_without_scripts_shows_tables(self):
        page = self.open(java_script_enabled=False)
        text = page.locator("main").inner_text()
        summary = FIXTURE.sample.json("summary", "--as-of", "latest")["summary"]
        self.assertIn(number(summary["total_sessions"]), text)
        for heading in ("Summary · all chatbots", "Trends", "Funnel", "Retention", "Performance"):
            self.assertIn(heading, text)
        self.assertFalse(page.locator(".controls").is_visible())
        self.shot(page, "without-scripts")

    def test_page_without_storage_works(self):
        page = self.open(init="Object.defineProperty(window, 'localStorage', {get() { throw new Error('denied'); }});")
        page.select_option("#theme", "dark")
        self.assertEqual(page.evaluate("getComputedStyle(document.body).backgroundColor"), "rgb(14, 17, 22)")

    def test_empty_store_shows_hints(self):
        page = self.open(FIXTURE.empty_page)
        text = page.locator("main").inner_text()
        for hint in ("the store has no data yet", "wa ingest", "message_sent", "Nothing has been ingested", "anonymous_id"):
            self.assertIn(hint, text)
        self.assertEqual(tile(page, "total_sessions"), "0")
        self.assert_no_stray_values(page)
        self.shot(page, "empty")
