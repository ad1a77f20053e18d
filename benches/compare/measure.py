"""Runs a program and measures its time, CPU time, peak memory and output size."""

import os
import shutil
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

MB = 1e6

MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes per unit of `ru_maxrss`."""


@dataclass
class Measured:
    """The measurements of one run."""

    seconds: float
    """Wall time of the whole process."""
    processor: float
    """User and system time, in seconds."""
    peak: int
    """Peak resident memory in bytes."""
    status: int
    out: str
    err: str


class Failed(Exception):
    """A program failed, or returned a wrong result."""


def run(command, folder, env=None):
    """Runs a program, writes its output to files of a folder, and measures it.

    On Linux, the peak includes the parent's memory at the time of the spawn, so the caller must stay
    small. It imports only the standard library, and separate processes generate workloads and read
    tables.
    """
    streams = [Path(folder) / "stdout", Path(folder) / "stderr"]
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    actions = [(os.POSIX_SPAWN_OPEN, number, str(path), flags, 0o600) for number, path in enumerate(streams, 1)]
    began = time.perf_counter()
    child = os.posix_spawnp(command[0], [str(part) for part in command], environment() if env is None else env,
                            file_actions=actions)
    _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - began
    out, err = (path.read_text(errors="replace") for path in streams)
    return Measured(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * MAXRSS_UNIT,
                    os.waitstatus_to_exitcode(status), out, err)


def run_well(command, folder):
    """Runs and measures a program.

    Raises Failed, with the command and the end of its standard error, if it fails.
    """
    measured = run(command, folder)
    if measured.status != 0:
        raise Failed(f"status {measured.status} of: {' '.join(map(str, command))}\n{measured.err[-3000:]}")
    return measured


def environment():
    """Returns the environment without the settings of `wa`."""
    return {name: value for name, value in os.environ.items() if not name.startswith("WA_")}


def settle():
    """Flushes the writes of earlier programs, so that they do not slow down the next one."""
    os.sync()


def remove(folder):
    """Removes a folder with its contents, if it exists."""
    shutil.rmtree(folder, ignore_errors=True)


def clear(folder):
    """Creates an empty folder."""
    remove(folder)
    Path(folder).mkdir(parents=True)


def size(folder, pattern="*"):
    """Returns the total size of the files in a folder."""
    return sum(path.stat().st_size for path in Path(folder).rglob(pattern) if path.is_file())


def median(values):
    """Returns the median."""
    return statistics.median(values)


def cores():
    """Returns the number of cores available to this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def use_cores(count):
    """Limits this process and its children to some cores.

    Raises Failed if the operating system does not support it.
    """
    if not hasattr(os, "sched_setaffinity"):
        raise Failed("--cores works on Linux only; omit it to use all cores")
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def table(header, rows):
    """Formats rows as a Markdown table. The first column is left-aligned, all others right-aligned."""
    rows = [header, *rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))]
        lines.append("| " + " | ".join(cells) + " |")
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines.insert(1, "| " + " | ".join(rule) + " |")
    return "\n".join(lines)
