"""Mode `worst`: CPU time per byte and peak memory for unusual inputs.

Each case generates a log of a given size, ingests it, and runs further commands on the store. The CPU
time per byte is compared with that of a usual log of the same size in the same run: `verify` and
`rebuild` are compared with `verify`, all other commands with the ingest. The peak is compared with
the memory budget.
"""

import json
import random
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from measure import MB, Failed, clear, remove, run, settle, table
from programs import Wa

DAY = 86_400_000
START = 1_767_225_600_000
"""2026-01-01 in milliseconds."""
NOW = "2026-01-02T12:00:00Z"
BUDGET = "256M"
BUDGET_BYTES = 256 << 20
CONSTANT = 128 << 20
"""Bytes that an ingest may take in addition to the budget: see docs/benchmarks.md. Reports have no budget; their
limit is BUDGET_BYTES plus these bytes."""
VERIFY_BYTES = 512 << 20
"""The limit of `wa verify` and `wa rebuild`, which have no budget: see docs/benchmarks.md."""
MAX_RATIO = 20
"""Maximum CPU time per byte, as a multiple of that of a usual log."""
EXCEPTIONS = {"9,000 dates": 40, "chatbots: wa verify": 25, "chatbots: wa rebuild": 32,
              "values of a property: wa report heatmap --by": 60}
"""Limits of cases that exceed MAX_RATIO: see docs/benchmarks.md."""
LOG_BYTES = 690
"""Approximate bytes per line of a usual log."""


def numbers(limit, line):
    """Yields `line(0)`, `line(1)`, … until the lines have `limit` bytes."""
    written = number = 0
    while written < limit:
        text = line(number)
        written += len(text) + 1
        number += 1
        yield text


def chatbots(limit):
    """Yields one event for each chatbot, all on one day."""
    return numbers(limit, lambda n: f'{{"chatbot_id":"c{n}","session_id":"s","event_name":"a","timestamp":{START + n * 40}}}')


def sources(limit):
    """Yields one event for each campaign source, all of one chatbot and day."""
    return numbers(limit, lambda n: f'{{"chatbot_id":"c","session_id":"s{n}","event_name":"a","utm_source":"u{n}",'
                                    f'"timestamp":{START + n * 40}}}')


def dates(limit):
    """Yields events distributed over 9,000 dates."""
    first = START - 9_000 * DAY
    return numbers(limit, lambda n: f'{{"chatbot_id":"c","session_id":"s{n}","event_name":"a",'
                                    f'"timestamp":{first + DAY * (n % 9_000) + n % DAY},"event_id":"e{n}"}}')


def long_lines(limit):
    """Yields lines of 1 MiB with text that cannot be compressed, all of one day."""
    def line(n):
        noise = f"{random.Random(n).getrandbits(4 * 1_048_300):x}"
        return (f'{{"chatbot_id":"c","session_id":"s{n}","event_name":"a","timestamp":{START + n * 1000},'
                f'"properties":{{"b":"{noise}"}}}}')
    return numbers(limit, line)


def invalid_elements(limit):
    """Yields envelopes of elements that are not events, two bytes each."""
    return numbers(limit, lambda n: f'{{"chatbot_id":"c","sent_at":{n},"events":[{",".join(["1"] * 500_000)}]}}')


def rejected_lines(limit):
    """Yields short lines that are not objects, all distinct."""
    return numbers(limit, lambda n: str(n))


def one_session(limit):
    """Yields events of one session, in order."""
    return numbers(limit, lambda n: f'{{"chatbot_id":"c","session_id":"s","event_name":"a","timestamp":{START + n * 40}}}')


def event_names(limit):
    """Yields events of one session, each with a different event name."""
    return numbers(limit, lambda n: f'{{"chatbot_id":"c","session_id":"s","event_name":"a{n}","timestamp":{START + n * 40}}}')


def values(limit):
    """Yields one event for each value of a property, each in its own session, all on one day."""
    return numbers(limit, lambda n: f'{{"chatbot_id":"c","session_id":"s{n}","event_name":"message_sent",'
                                    f'"timestamp":{START + n * 40},"properties":{{"k":"k{n}"}}}}')


@dataclass
class Case:
    """A log and the commands that are measured on it."""

    name: str
    lines: object
    """Yields the lines of a log of at least the given size in bytes."""
    share: float = 1
    """Size of the log, as a fraction of `--megabytes`."""
    commands: tuple = ()
    """Further commands on the store, each as a tuple of arguments."""


VERIFY = ("verify",)
REBUILD = ("rebuild",)
BY_CHATBOT = ("--by-chatbot", "--days", "7", "--as-of", "2026-01-02", "--format", "json")
SUMMARIES = ("report", "summary", *BY_CHATBOT)
VISITORS = ("report", "visitors", *BY_CHATBOT)
BY_VALUE = ("--by", "properties.k", "--limit", "all", "--days", "7", "--as-of", "2026-01-02", "--format", "json")
BREAKDOWNS = tuple(("report", name, *BY_VALUE) for name in ("summary", "heatmap", "funnel", "conversations", "paths"))
CASES = [
    Case("lines of 1 MiB", long_lines, 32),
    Case("chatbots", chatbots, 1, (VERIFY, REBUILD, SUMMARIES, VISITORS)),
    Case("campaign sources", sources, 1, (VERIFY,)),
    Case("values of a property", values, 0.1, BREAKDOWNS),
    Case("9,000 dates", dates),
    Case("invalid envelope elements", invalid_elements, 0.25),
    Case("short rejected lines", rejected_lines, 0.25),
    Case("one session", one_session, 1, (VERIFY,)),
    Case("event names of one session", event_names),
]
INGESTED_FILES = 60_000


@dataclass
class Usual:
    """CPU times per byte of a usual log."""

    ingest: float
    verify: float


class Limits:
    """Prints and checks the results of all cases."""

    def __init__(self, bench):
        self.bench = bench
        self.rows = []
        self.failed = []

    def add(self, name, measured, size, usual, limit):
        """Adds a row, and records a case that exceeds a limit. `limit` is the limit of the peak, or None."""
        ratio = measured.processor / size / usual
        max_ratio = EXCEPTIONS.get(name, MAX_RATIO)
        over = [f"{ratio:.0f} times the CPU time per byte"] if round(ratio, 6) > max_ratio else []
        if limit and measured.peak > limit:
            over.append(f"a peak of {measured.peak / MB:,.0f} MB")
        self.failed.extend(f"{name}: {text}" for text in over)
        self.bench.say(f"{name}: {ratio:.1f} times, {measured.peak / MB:,.0f} MB")
        self.rows.append([name, f"{size / MB:,.0f}", f"{measured.processor:.2f}", f"{ratio:.1f}",
                          f"{measured.peak / MB:,.0f}"])


def worst(bench):
    """Measures all cases and prints a table. Fails if a case exceeds a limit."""
    limits = Limits(bench)
    size = bench.given.megabytes * 1_000_000
    for case in CASES:
        if bench.given.case and bench.given.case not in case.name:
            continue
        measure_case(bench, limits, case, int(size * case.share))
    if not bench.given.case or bench.given.case in "ingested files":
        measure_ingested_files(bench, limits)
    print(table(["input", "MB", "CPU s", "ratio", "peak MB"], limits.rows))
    print(f"\nRatio: CPU time per byte, as a multiple of that of a usual log of the same size. Limits: {MAX_RATIO}; "
          f"{(BUDGET_BYTES + CONSTANT) / MB:,.0f} MB with --memory {BUDGET} and for reports; verify and rebuild {VERIFY_BYTES / MB:,.0f} MB.")
    if limits.failed:
        raise Failed("over the limits:\n  " + "\n  ".join(limits.failed))


def measure_usual(bench, size):
    """Ingests and verifies a usual log of about the given size in bytes."""
    events = max(1000, size // LOG_BYTES)
    data, about = bench.workload(events, max(1, events // 50_000))
    ingested = ingest(bench, about["end"], sorted(data.glob("*.ndjson")), "usual")
    folder = bench.work / "worst" / "usual"
    verified = bench.run_well(Wa(bench.given.wa, about).command(folder / "store", "verify"))
    remove(folder)
    return Usual(ingested.processor / about["bytes"], verified.processor / about["bytes"])


def ingest(bench, now, files, store):
    """Ingests files into a new store. All lines of a file may be rejected."""
    folder = bench.work / "worst" / store
    clear(folder)
    settle()
    command = Wa(bench.given.wa, {"end": now}).command(folder / "store", "ingest", "--quiet", "--memory", BUDGET, *files)
    measured = run(command, bench.scratch)
    if measured.status not in (0, 4):
        raise Failed(f"status {measured.status}\n{measured.err[-3000:]}")
    return measured


def measure_case(bench, limits, case, size):
    """Measures the ingest of a case and its further commands."""
    path = bench.work / "worst.ndjson"
    bench.run_well([sys.executable, __file__, case.name, path, size])
    size = path.stat().st_size
    usual = measure_usual(bench, size)
    limits.add(case.name, ingest(bench, NOW, [path], "case"), size, usual.ingest, BUDGET_BYTES + CONSTANT)
    store = bench.work / "worst" / "case" / "store"
    for arguments in case.commands:
        settle()
        # Discard the output: it can be many megabytes, which would count as memory of the next program.
        command = [bench.given.wa, "--now", NOW, "--store", store, *arguments]
        measured = bench.run_well(["sh", "-c", 'exec "$@" > /dev/null', "sh", *command])
        reads_all = arguments in (VERIFY, REBUILD)
        limits.add(f"{case.name}: wa {' '.join(arguments[:3])}", measured, size,
                   usual.verify if reads_all else usual.ingest,
                   VERIFY_BYTES if reads_all else BUDGET_BYTES + CONSTANT)
    path.unlink()
    remove(bench.work / "worst" / "case")


def measure_ingested_files(bench, limits):
    """Measures the ingest of one new log into a store with many ingested files."""
    folder = bench.work / "worst" / "logs"
    clear(folder)
    for number in range(INGESTED_FILES):
        line = f'{{"chatbot_id":"c","session_id":"s{number}","event_name":"a","timestamp":{START + number}}}\n'
        (folder / f"known-{number}.ndjson").write_text(line)
    ingest(bench, NOW, [folder], "case")
    size = bench.given.megabytes * 1_000_000
    usual = measure_usual(bench, size)
    data, about = bench.workload(max(1000, size // LOG_BYTES), max(1, size // LOG_BYTES // 50_000))
    settle()
    store = bench.work / "worst" / "case" / "store"
    measured = Wa(bench.given.wa, about).ingest(store, sorted(data.glob("*.ndjson")), bench.scratch, "--memory", BUDGET)
    limits.add("one new log, 60,000 ingested files", measured, about["bytes"], usual.ingest, BUDGET_BYTES + CONSTANT)
    shutil.rmtree(folder)
    remove(bench.work / "worst" / "case")


def main():
    """Writes the log of a case. A separate process keeps the caller small."""
    name, path, size = sys.argv[1:]
    case = next(case for case in CASES if case.name == name)
    with open(path, "w", encoding="ascii") as file:
        file.writelines(line + "\n" for line in case.lines(int(size)))
    print(json.dumps(Path(path).stat().st_size))


if __name__ == "__main__":
    main()
