"""Measures a job: `measure.py LOGS [--cores 1 2]`, with the package and the engines installed.

Prints the CPU seconds of the Rust functions alone, without Spark. For each number of executors
of one core, prints the seconds of the job and its CPU seconds:

- Rust: as measured without Spark;
- Python: the rest of the Python workers: their start, and the exchange of batches;
- executors: the JVMs of the executors; `shuffle` is the time of writing and fetching rows;
- driver: the JVM of the driver.
"""

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import engines
import pyarrow as pa
import pyarrow.compute as pc
import stores
import wa_spark
from wa_spark._objects import EVENT, REPORT, SCHEMA, Context, Job


def kernel(logs, store, partitions):
    """Runs all functions in this process, and returns the seconds of each."""
    seconds = {}

    def timed(name, run):
        start = time.process_time()
        result = run()
        seconds[name] = seconds.get(name, 0) + time.process_time() - start
        return result

    job = Job(str(store), logs, {}, stores.NOW, 0)
    context = Context(job.task_settings())
    parsed = []
    for file in job.files():
        parsed += timed("parse", lambda: list(context.parse(*file).batches()))
    table = pa.Table.from_batches(parsed, SCHEMA)
    for report in table.filter(pc.equal(table["kind"], REPORT))["payload"].to_pylist():
        job.add_parsed(report)
    table = table.filter(pc.equal(table["kind"], EVENT))

    def distribute(table):
        first = pc.binary_slice(table["key"], 0, 1).to_pylist()
        parts = pa.array([key[0] * partitions // 256 for key in first])
        return [table.filter(pc.equal(parts, part)) for part in range(partitions)]

    def run(task, part):
        output = []
        for batch in part.to_batches(max_chunksize=10_000):
            task.push(batch)
            output += task.batches()
        task.finish()
        return output + list(task.batches())

    unique = []
    for part in distribute(table):
        part = part.sort_by([(name, "ascending") for name in ("key", "kind", "time", "file", "position")])
        unique += timed("dedupe", lambda: run(context.dedupe(True), part))
    table = pa.Table.from_batches(unique, SCHEMA)
    reports = table.filter(pc.equal(table["kind"], REPORT))["payload"].to_pylist()
    for part in distribute(table.filter(pc.equal(table["kind"], EVENT))):
        part = part.sort_by([(name, "ascending") for name in ("key", "time", "id")])
        written = timed("sessions", lambda: run(context.sessions(True), part))
        reports += [payload for batch in written for payload in batch["payload"].to_pylist()]
    for report in reports:
        job.add_written(report)
    timed("commit", job.commit)
    return seconds


def spark_job(logs, store, cores, events, partitions):
    """Runs a job on executors of one core. Returns its seconds, its figures and its summary."""
    log = {"enabled": "true", "dir": str(events), "compress": "false", "rolling.enabled": "false"}
    settings = {f"spark.eventLog.{name}": value for name, value in log.items()}
    with engines.local_cluster(cores, settings) as spark:
        spark.range(cores * 4).repartition(cores * 4).count()  # Starts the executors.
        before = engines.cpu_seconds()
        start = time.perf_counter()
        summary = wa_spark.ingest(spark, logs, store, now=stores.NOW, partitions=partitions)
        seconds = time.perf_counter() - start
        after = engines.cpu_seconds()
    sums = {name: after[name] - before[name] for name in after}
    sums |= {"shuffle": 0, "shuffle_bytes": 0}
    for path in [path for path in events.iterdir() if not path.name.startswith(".")]:
        for line in path.read_text().splitlines():
            event = json.loads(line)
            metrics = event.get("Task Metrics")
            if event["Event"] != "SparkListenerTaskEnd" or not metrics:
                continue
            write, read = metrics["Shuffle Write Metrics"], metrics["Shuffle Read Metrics"]
            sums["shuffle"] += write["Shuffle Write Time"] / 1e9 + read["Fetch Wait Time"] / 1e3
            sums["shuffle_bytes"] += write["Shuffle Bytes Written"]
    return seconds, sums, summary


def main():
    """Prints the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("logs", type=Path)
    parser.add_argument("--cores", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--partitions", type=int, default=8)
    arguments = parser.parse_args()
    logs = sorted(str(path) for path in arguments.logs.glob("*.ndjson"))
    size = sum(Path(path).stat().st_size for path in logs) / 1e6
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        rust = kernel(logs, stores.create(folder / "kernel"), arguments.partitions)
        total = sum(rust.values()) - rust["commit"]
        steps = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in rust.items())
        print(f"{size:.0f} MB: {steps}; {size / total:.0f} MB/s per core without the commit")
        for cores in arguments.cores:
            store, events = stores.create(folder / f"spark-{cores}"), folder / f"events-{cores}"
            events.mkdir()
            seconds, sums, summary = spark_job(logs, store, cores, events, arguments.partitions)
            python = sums.pop("python") - total
            parts = {"Rust": total, "Python": python} | {name: sums[name] for name in ("executors", "driver")}
            cpu = sum(parts.values())
            shares = ", ".join(f"{name} {100 * value / cpu:.0f} %" for name, value in parts.items())
            print(
                f"{cores} cores: {seconds:.1f} s, {size / seconds:.1f} MB/s, "
                f"{summary['total']['stored'] / seconds:,.0f} events/s; "
                f"CPU {cpu:.1f} s, {size / cpu:.1f} MB/s per core: {shares}; "
                f"shuffle {sums['shuffle']:.1f} s, {sums['shuffle_bytes'] / 1e6:.0f} MB"
            )
    print(f"peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB")


if __name__ == "__main__":
    main()
