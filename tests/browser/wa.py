"""Runs `wa`, and prepares the stores for the tests."""

import json
import subprocess
from pathlib import Path

CLOCK = "2026-11-10T02:00:00Z"
"""A day after the end of the sample data."""

HOSTILE = [
    "<script>window.hacked = 1</script>",
    "</script><script>window.hacked = 2</script>",
    "<img src=x onerror=\"window.hacked = 3\">",
    "\"><svg onload=window.hacked=4>",
    "' autofocus onfocus='window.hacked = 5",
    "<iframe src=https://evil.example/></iframe>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<meta http-equiv=refresh content=0;url=https://evil.example>",
    "javascript:window.hacked=6",
    "{{ 7 * 7 }}${window.hacked = 7}",
    "\u202egnp.exe\u2066",
    "a\u001b]0;title\u0007\u0000b\u2028c",
    "=HYPERLINK(\"https://evil.example\")",
    "__proto__",
    "constructor",
]
"""Strings that are harmful unless the page escapes them."""


class Wa:
    """The program `wa` with a store."""

    def __init__(self, program, folder, name):
        self.program = str(Path(program).resolve())
        self.folder = folder
        self.name = name

    def run(self, *arguments):
        """Returns the standard output of a command."""
        command = [self.program, "--now", CLOCK, "--store", str(self.folder / self.name), *arguments]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode not in (0, 4):
            raise AssertionError(f"{command}: {result.stderr}")
        return result.stdout

    def json(self, *arguments):
        """Returns the JSON of a report."""
        return json.loads(self.run("report", *arguments, "--format", "json"))

    def page(self, name, *arguments):
        """Writes a dashboard and returns its path."""
        path = self.folder / name
        self.run("dashboard", "--output", str(path), *arguments)
        return path

    def report(self, name, *arguments):
        """Writes a report as HTML and returns its path. The name contains `report`."""
        path = self.folder / name
        path.write_text(self.run("report", *arguments, "--format", "html"), encoding="utf-8")
        return path


def annotate(wa):
    """Adds annotations and goals to the settings."""
    path = wa.folder / wa.name / "wa.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text + """
[annotations]
"2026-10-20" = "new <b>widget</b>"
"2026-11-03" = ["campaign starts", "price change"]

[goals]
rated = "feedback_given"
""", encoding="utf-8")


def hostile_log():
    """Returns a log in which all strings are hostile."""
    lines = []
    for number, text in enumerate(HOSTILE):
        for step, name in enumerate(["widget_loaded", "message_sent", text, "message_received"]):
            lines.append(json.dumps({
                "chatbot_id": text, "session_id": f"s{number}", "anonymous_id": text, "event_name": name,
                "event_category": "error" if step == 2 else "engagement",
                "timestamp": f"2026-11-0{1 + number % 9}T12:00:0{step}Z",
                "page_url": f"https://site.example/{text}?utm_source={text}",
                "referrer": f"https://{number}.example/{text}",
                "user_agent": text, "country_code": text, "city": text, "properties": {"rating": text},
            }))
    lines.append(json.dumps({"chatbot_id": "x", "event_name": "no_session_key"}))
    return "\n".join(lines) + "\n"
