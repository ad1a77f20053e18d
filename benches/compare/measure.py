"""Runs a program and measures it: time, processor time, peak memory, bytes that it left."""

import os
import shutil
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

MB = 1e6

MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in which the system counts peak memory."""


@dataclass
class Measured:
    """What one run of a program took."""

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
    """A program did not do what it was asked for."""


def run(command, folder, env=None):
    """Runs a program with its output in files of a folder, and measures it.

    The peak is that of the process alone. Linux counts the parent's memory at the moment of the start
    too, so whoever calls this must stay small: nothing here imports more than the standard library,
    and workloads and tables are made and read in processes of their own.
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
    """Runs a program that must succeed.

    Raises Failed, with the command and the end of its standard error, where it does not.
    """
    measured = run(command, folder)
    if measured.status != 0:
        raise Failed(f"status {measured.status} of: {' '.join(map(str, command))}\n{measured.err[-3000:]}")
    return measured


def environment():
    """Returns the environment without the settings of `wa`, so that a run does not depend on who runs it."""
    return {name: value for name, value in os.environ.items() if not name.startswith("WA_")}


def settle():
    """Waits until what earlier programs wrote is on disk, so that the next one does not pay for it."""
    os.sync()


def remove(folder):
    """Removes a folder with all in it, where there is one."""
    shutil.rmtree(folder, ignore_errors=True)


def clear(folder):
    """Makes an empty folder."""
    remove(folder)
    Path(folder).mkdir(parents=True)


def size(folder, pattern="*"):
    """Adds up the bytes of the files of a folder."""
    return sum(path.stat().st_size for path in Path(folder).rglob(pattern) if path.is_file())


def median(values):
    """Returns the median."""
    return statistics.median(values)


def cores():
    """Returns on how many cores this process may run."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def use_cores(count):
    """Keeps this process and those that it starts on some cores.

    Raises Failed where the system cannot.
    """
    if not hasattr(os, "sched_setaffinity"):
        raise Failed("--cores works on Linux only; leave it out to use all cores")
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def table(header, rows):
    """Writes rows of text as a table: the first column to the left, the others to the right."""
    rows = [header, *rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))]
        lines.append("| " + " | ".join(cells) + " |")
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines.insert(1, "| " + " | ".join(rule) + " |")
    return "\n".join(lines)
