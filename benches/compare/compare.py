"""Mode `compare`: `wa` and its peers in turn, on the same files."""

from measure import MB, Failed, clear, median, remove, settle, table
from programs import Wa, check, installed


def compare(bench):
    """Runs all programs in turn, checks that they agree, and prints medians and ratios."""
    data, about = bench.workload(bench.given.events * bench.given.scale, bench.given.days)
    files = sorted(data.glob("*.ndjson"))
    wa = Wa(bench.given.wa, about)
    peers, missing = installed(bench.given.python, bench.threads, bench.scratch)
    for sentence in missing:
        print(sentence)
    print(f"{about['events']:,} events, {about['bytes'] / MB:,.0f} MB in {len(files)} files; {bench.threads} cores; "
          f"a warm-up and {bench.given.runs} runs each, in turn.")
    results = rounds(bench, [wa, *peers], files, about["events"])
    print(table(*rows(results)))
    if bench.given.profile:
        profile(bench, wa, files)


def rounds(bench, programs, files, expected):
    """Runs every program once per round. Returns the results of all rounds but the first, by name.

    The first round fills the page cache and checks that the programs agree.
    """
    kept = {program.name: [] for program in programs}
    for number in range(bench.given.runs + 1):
        results = {}
        for program in programs:
            output = bench.work / "out"
            clear(output)
            settle()
            results[program.name] = program.job(files, output, bench.scratch)
            bench.say(f"round {number}: {program.name} {results[program.name].seconds:.2f} s")
            if program.name == "wa" and number == 0:
                remove(bench.work / "checked")
                wa_store = (output / "store").rename(bench.work / "checked")
        if number == 0:
            try:
                print(check(results, expected, wa_store, bench.given.python, bench.scratch))
            finally:
                remove(wa_store)
        else:
            for name, result in results.items():
                kept[name].append(result)
    remove(bench.work / "out")
    return kept


def rows(results):
    """Returns the header and rows of the table: medians, and ratios to the best peer."""
    header = ["", "seconds", "ratio", "range", "CPU s", "whole process s", "peak MB", "ratio", "MB written", "ratio"]
    figures = {name: [median([getter(run) for run in runs]) for getter in GETTERS] for name, runs in results.items()}
    others = [values for name, values in figures.items() if name != "wa"]
    best = [min(column) for column in zip(*others)] if others else [None] * len(GETTERS)
    lines = []
    for name, runs in results.items():
        seconds, peak, written, processor, process = figures[name]
        spread = f"{min(run.seconds for run in runs):.2f} to {max(run.seconds for run in runs):.2f}"
        lines.append([name, f"{seconds:.2f}", ratio(seconds, best[0]), spread, f"{processor:.2f}", f"{process:.2f}",
                      f"{peak:,.0f}", ratio(peak, best[1]), f"{written:,.1f}", ratio(written, best[2])])
    return header, lines


GETTERS = [lambda r: r.seconds, lambda r: r.measured.peak / MB, lambda r: r.bytes / MB,
           lambda r: r.measured.processor, lambda r: r.measured.seconds]


def ratio(value, best):
    """Formats a value as a multiple of the best peer's value."""
    return "" if not best else f"{value / best:.2f}"


def profile(bench, wa, files):
    """Prints the median duration of each stage of `wa ingest`."""
    runs = []
    for _ in range(bench.given.runs):
        clear(bench.work / "out")
        settle()
        # `wa` prints the stages as notes, which --quiet would suppress.
        command = wa.command(bench.work / "out" / "store", "ingest", "--profile", *files)
        runs.append(stages(bench.run_well(command).err))
    if not all(runs):
        raise Failed("`wa ingest --profile` printed no stages")
    print("\nStages of the writer thread (reading and parsing run in other threads):\n")
    print(table(["stage", "seconds"], [[stage, f"{median([run[stage] for run in runs]):.3f}"] for stage in runs[0]]))


def stages(text):
    """Parses the stages on standard error: lines such as `wa:  dedupe   0.123 s`."""
    words = [line.split()[-3:] for line in text.splitlines()]
    return {w[0]: float(w[1]) for w in words if len(w) == 3 and w[2] == "s" and w[1].replace(".", "", 1).isdigit()}


def memory_curve(bench):
    """Prints time and peak memory of `wa` alone over inputs of several sizes."""
    header, lines = ["input", "events", "MB", "peak MB", "seconds", "events per second"], []
    for times in bench.given.memory_curve:
        data, about = bench.workload(bench.given.events * times, bench.given.days)
        wa = Wa(bench.given.wa, about)
        files = sorted(data.glob("*.ndjson"))
        runs = []
        for _ in range(bench.given.runs):
            clear(bench.work / "out")
            settle()
            runs.append(wa.job(files, bench.work / "out", bench.scratch))
            bench.say(f"{times} times: {runs[-1].seconds:.2f} s, {runs[-1].measured.peak / MB:,.0f} MB")
        seconds = median([run.seconds for run in runs])
        # Use the maximum, not the median, because memory must stay within a bound.
        peak = max(run.measured.peak for run in runs) / MB
        lines.append([f"{times} times", f"{about['events']:,}", f"{about['bytes'] / MB:,.0f}", f"{peak:,.0f}",
                      f"{seconds:.2f}", f"{about['events'] / seconds:,.0f}"])
        if not bench.given.keep:
            remove(data)
    print(table(header, lines))
