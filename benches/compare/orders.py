"""Mode `orders`: `wa` and its peers run the job, in turn, on the same lines in several orders.

The first case is the unchanged workload. All other cases have the same number of lines, in a
different order or with different keys. Each time is compared with the time of `wa` for the
unchanged workload, and with the best peer on the same files.
"""

import argparse
import json
import random
import re
import sys
from pathlib import Path

from measure import MB, Failed, clear, median, remove, settle, table
from programs import Wa, installed

SHARDS = 16
LATE_DAYS = 5
CHATBOTS = 1_000_000
CHATBOT = re.compile(rb'"chatbot_id":"([^"]*)"')
SESSION = re.compile(rb'"session_id":"([^"]*)"')
VISITOR = re.compile(rb'"anonymous_id":"([^"]*)"')


def shuffled(files, chance):
    """Yields all lines in one file, in random order."""
    lines = [line for lines in files for line in lines]
    chance.shuffle(lines)
    yield "all", lines


def sharded(files, _):
    """Yields one file for each of 16 shards, by session. Each file is in time order."""
    yield from shards(files, session)


def sharded_by_visitor(files, _):
    """Yields one file for each of 16 shards, by visitor. Each file is in time order."""
    yield from shards(files, visitor)


def shards(files, key):
    """Divides lines into files by a hexadecimal key."""
    shards = [[] for _ in range(SHARDS)]
    for lines in files:
        for line in lines:
            shards[int(key(line), 16) % SHARDS].append(line)
    yield from ((f"shard-{number:02}", lines) for number, lines in enumerate(shards))


def reversed_(files, _):
    """Yields all lines in one file, newest first."""
    yield "all", [line for lines in files for line in lines][::-1]


def interleaved(files, _):
    """Moves half of the sessions to the previous year, and interleaves their lines with the others."""
    for number, lines in enumerate(files):
        def moved(line):
            return line.replace(b":\"2026-", b":\"2025-") if int(session(line), 16) % 2 else line
        yield f"day-{number:02}", [moved(line) for line in lines]


def late(files, chance):
    """Delays every line by up to five days."""
    lines = [(number + chance.random() * LATE_DAYS, line) for number, lines in enumerate(files) for line in lines]
    lines.sort(key=lambda pair: pair[0])
    yield "all", [line for _, line in lines]


def one_session(files, _):
    """Gives all events the same chatbot, session id and visitor."""
    for number, lines in enumerate(files):
        def renamed(line):
            line = CHATBOT.sub(b'"chatbot_id":"00000000-0000-4000-8000-000000000000"', line, count=1)
            line = SESSION.sub(b'"session_id":"s"', line, count=1)
            return VISITOR.sub(b'"anonymous_id":"a"', line, count=1)
        yield f"day-{number:02}", [renamed(line) for line in lines]


def many_chatbots(files, _):
    """Distributes the lines to up to a million chatbots; each chatbot gets every millionth line."""
    count = 0
    for number, lines in enumerate(files):
        renamed = []
        for line in lines:
            renamed.append(CHATBOT.sub(b'"chatbot_id":"00000000-0000-4000-8000-%012d"' % (count % CHATBOTS), line, count=1))
            count += 1
        yield f"day-{number:02}", renamed


def session(line):
    """Returns the session id of a line, in hexadecimal."""
    return SESSION.search(line)[1].removeprefix(b"s_")


def visitor(line):
    """Returns the anonymous id of a line, in hexadecimal."""
    return VISITOR.search(line)[1].removeprefix(b"a_")


ORDERS = {"shuffled": shuffled, "sharded by session": sharded, "sharded by visitor": sharded_by_visitor, "reversed": reversed_,
          "two interleaved years": interleaved, "late by days": late, "one session": one_session,
          "a million chatbots": many_chatbots}
IN_ORDER, FOUR_TIMES = "in order", "four times the input"
SAME_EVENTS = {"in order", "shuffled", "sharded by session", "sharded by visitor", "reversed", "late by days"}
"""Orders that must result in the same number of sessions as the lines in order."""


def orders(bench):
    """Measures all orders and prints a table. Checks that no order of SAME_EVENTS loses an event or a session."""
    peers, missing = installed(bench.given.python, bench.threads, bench.scratch)
    for sentence in missing:
        print(sentence)
    data, about = bench.workload(bench.given.events * bench.given.scale, bench.given.days)
    wa = Wa(bench.given.wa, about)
    folder = bench.work / "ordered"
    lines, in_order = [], None
    for name in [IN_ORDER, *ORDERS, FOUR_TIMES]:
        if bench.given.case and bench.given.case not in name and name != IN_ORDER:
            continue
        if name == IN_ORDER:
            files = sorted(data.glob("*.ndjson"))
        elif name == FOUR_TIMES:
            larger, about = bench.workload(bench.given.events * bench.given.scale * 4, bench.given.days)
            files, wa = sorted(larger.glob("*.ndjson")), Wa(bench.given.wa, about)
        else:
            clear(folder)
            bench.run_well([sys.executable, __file__, data, folder, name, "--seed", str(bench.given.seed)])
            files = sorted(folder.glob("*.ndjson"))
        runs = rounds(bench, name, [wa, *peers], files)
        in_order = in_order or runs[wa.name]
        check(name, runs[wa.name], in_order[0])
        lines.append(row(name, runs.pop(wa.name), in_order, runs.values()))
        remove(folder)
    print(table(HEADER, lines))


HEADER = ["order", "seconds", "vs in order", "vs best peer", "CPU s", "vs in order", "vs best peer", "peak MB", "MB written"]


def row(order, own, in_order, peers):
    """Returns the row of an order: medians, and ratios to the lines in order and to the best peer."""
    cells = [order]
    for figure in (lambda run: run.seconds, lambda run: run.measured.processor):
        value, first = (median([figure(run) for run in runs]) for runs in (own, in_order))
        best = min((median([figure(run) for run in runs]) for runs in peers), default=None)
        cells += [f"{value:.2f}", f"{value / first:.2f}", f"{value / best:.2f}" if best else ""]
    return [*cells, f"{max(run.measured.peak for run in own) / MB:,.0f}", f"{median([run.bytes for run in own]) / MB:,.1f}"]


def rounds(bench, order, programs, files):
    """Runs every program in turn. Returns the results of all rounds but the first, by name."""
    kept = {program.name: [] for program in programs}
    for number in range(bench.given.runs + 1):
        for program in programs:
            output = bench.work / "out"
            clear(output)
            settle()
            result = program.job(files, output, bench.scratch)
            bench.say(f"{order}, round {number}: {program.name} {result.seconds:.2f} s")
            if number:
                kept[program.name].append(result)
    remove(bench.work / "out")
    return kept


def check(order, results, in_order):
    """Raises Failed if an order of SAME_EVENTS has other numbers of events or sessions than the lines in order."""
    for result in results:
        found, expected = ((run.events, run.sessions) for run in (result, in_order))
        if order in SAME_EVENTS and found != expected:
            raise Failed(f"{order}: {found[0]:,} events and {found[1]:,} sessions, "
                         f"not {expected[0]:,} and {expected[1]:,}")


def make(source, folder, order, seed):
    """Writes the files of an order."""
    files = ([*path.read_bytes().splitlines(keepends=True)] for path in sorted(Path(source).glob("*.ndjson")))
    Path(folder).mkdir(parents=True, exist_ok=True)
    written = 0
    for name, lines in ORDERS[order](files, random.Random(seed)):
        written += len(lines)
        with open(Path(folder) / f"{name}.ndjson", "wb") as file:
            file.writelines(lines)
    return written


def main():
    """Writes the files of an order. A separate process keeps the caller small."""
    parser = argparse.ArgumentParser(description="Writes the lines of a workload in another order.")
    parser.add_argument("source")
    parser.add_argument("folder")
    parser.add_argument("order", choices=ORDERS)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print(json.dumps(make(given.source, given.folder, given.order, given.seed)))


if __name__ == "__main__":
    main()
