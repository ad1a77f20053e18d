"""Mode `memory`: peak memory of `wa` over one large file, by order and presence of ids."""

import argparse
import json
import random
import re
import shutil
import sys
from pathlib import Path

from measure import MB, Failed, clear, remove, settle, table
from programs import Wa, rows

ID = re.compile(rb'"id":"[^"]*",')
VARIANTS = [("in order, with ids", False, True), ("shuffled, with ids", True, True),
            ("in order, without ids", False, False), ("shuffled, without ids", True, False)]
"""Name, whether lines are shuffled, whether lines have ids."""
HEAPS = 64
"""Number of temporary files to which lines are distributed. Each file is then shuffled in memory."""


def memory(bench):
    """Prints the peak for each variant and size. Checks that every event was stored."""
    header, lines = ["input", "times", "lines", "MB", "peak MB", "seconds"], []
    budget = ["--memory", bench.given.memory] if bench.given.memory else []
    for name, shuffled, ids in VARIANTS:
        for times in bench.given.memory_curve or [1, 4, 16]:
            data, about = bench.workload(bench.given.events * times, bench.given.days)
            one = bench.work / "one.ndjson"
            bench.run_well([sys.executable, __file__, data, one, *(["--shuffled"] if shuffled else []),
                            *([] if ids else ["--without-ids"]), "--seed", str(bench.given.seed)])
            count, size = json.loads((bench.scratch / "stdout").read_text())
            # Without ids, duplicate lines are distinct events.
            expected = about["events"] if ids else count
            clear(bench.work / "out")
            settle()
            wa = Wa(bench.given.wa, about)
            store = bench.work / "out" / "store"
            measured = wa.ingest(store, [one], bench.scratch, *budget)
            if (stored := rows(store)["events"]) != expected:
                raise Failed(f"{name}, {times} times: {stored:,} events stored, not {expected:,}")
            bench.say(f"{name}, {times} times: {measured.peak / MB:,.0f} MB, {measured.seconds:.1f} s")
            lines.append([name, str(times), f"{count:,}", f"{size / MB:,.0f}", f"{measured.peak / MB:,.0f}",
                          f"{measured.seconds:.1f}"])
            remove(bench.work / "out")
            one.unlink()
    print(table(header, lines))


def make(folder, path, shuffled, ids, seed):
    """Concatenates the files of a workload. Returns the number of lines and bytes."""
    sources = sorted(Path(folder).glob("*.ndjson"))
    chance = random.Random(seed)
    heaps = Path(f"{path}.heaps")
    remove(heaps)
    count = 0
    with open(path, "wb") as whole:
        if shuffled:
            heaps.mkdir()
            outputs = [open(heaps / str(number), "wb") for number in range(HEAPS)]
        for source in sources:
            with open(source, "rb") as lines:
                for line in lines:
                    count += 1
                    line = line if ids else ID.sub(b"", line, count=1)
                    (chance.choice(outputs) if shuffled else whole).write(line)
        if shuffled:
            for output in outputs:
                output.close()
                lines = Path(output.name).read_bytes().splitlines(keepends=True)
                chance.shuffle(lines)
                whole.writelines(lines)
    shutil.rmtree(heaps, ignore_errors=True)
    return count, Path(path).stat().st_size


def main():
    """Parses the arguments and writes the file. A separate process keeps the caller small."""
    parser = argparse.ArgumentParser(description="Concatenates the files of a workload.")
    parser.add_argument("folder")
    parser.add_argument("path")
    parser.add_argument("--shuffled", action="store_true")
    parser.add_argument("--without-ids", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print(json.dumps(make(given.folder, given.path, given.shuffled, not given.without_ids, given.seed)))


if __name__ == "__main__":
    main()
