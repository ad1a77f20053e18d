"""Engines for the tests: Spark in a local cluster, Spark with a master and two workers, and Sail."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"


def _session(master, more=None):
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master(master).appName("wa tests")
    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.executor.memory": "512m",
        "spark.executor.cores": "1",
        "spark.sql.adaptive.enabled": "true",
        "spark.ui.showConsoleProgress": "false",
    }
    for name, value in (settings | (more or {})).items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark


@contextlib.contextmanager
def local_cluster(executors=2, settings=None):
    """Spark with executors of one core, each in a separate process."""
    spark = _session(f"local-cluster[{executors},1,1024]", settings)
    try:
        yield spark
    finally:
        spark.stop()


@contextlib.contextmanager
def standalone():
    """Spark with a master and two workers on the loopback interface."""
    import pyspark

    home = Path(pyspark.__file__).parent
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        environment = dict(os.environ, SPARK_HOME=str(home), SPARK_WORKER_DIR=folder)

        def start(name, *arguments):
            log = Path(folder) / f"{name}-{len(os.listdir(folder))}.log"
            command = [home / "bin/spark-class", f"org.apache.spark.deploy.{name}", *arguments]
            with log.open("w") as errors:
                process = subprocess.Popen(
                    command, env=environment, stdout=subprocess.DEVNULL, stderr=errors
                )
            stack.callback(process.wait)
            stack.callback(process.terminate)
            return log

        def wait_for(log, pattern):
            for _ in range(600):
                found = re.search(pattern, log.read_text())
                if found:
                    return found.group(1)
                time.sleep(0.1)
            raise AssertionError(f"{log} does not contain {pattern}:\n{log.read_text()}")

        ports = ["--host", "127.0.0.1", "--port", "0", "--webui-port", "0"]
        master = wait_for(start("master.Master", *ports), r"Starting Spark master at (\S+)")
        for _ in range(2):
            log = start("worker.Worker", *ports, "--cores", "1", "--memory", "1g", master)
            wait_for(log, r"(Successfully registered)")
        spark = _session(master)
        stack.callback(spark.stop)
        yield spark


@contextlib.contextmanager
def sail():
    """Sail in this process."""
    from pysail.spark import SparkConnectServer
    from pyspark.sql import SparkSession

    server = SparkConnectServer(ip="127.0.0.1", port=0)
    server.start(background=True)
    _, port = server.listening_address
    spark = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").getOrCreate()
    try:
        yield spark
    finally:
        spark.stop()
        server.stop()
        # With this variable, this process could not start a Spark session without Connect.
        os.environ.pop("SPARK_CONNECT_MODE_ENABLED", None)


def executors():
    """Returns the process ids of the executors that descend from this process."""
    parents, found = {}, []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            pid = int(entry.name)
            parents[pid] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if b"CoarseGrainedExecutorBackend" in (entry / "cmdline").read_bytes():
                found.append(pid)

    def is_own(pid):
        while pid > 1:
            if pid == os.getpid():
                return True
            pid = parents.get(pid, 0)
        return False

    return [pid for pid in found if is_own(pid)]


def cpu_seconds():
    """Returns the CPU seconds of the processes that descend from this one, by kind."""
    kinds = {b"CoarseGrainedExecutorBackend": "executors", b"pyspark.daemon": "python", b"SparkSubmit": "driver"}
    parents, spent = {}, {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            command = (entry / "cmdline").read_bytes()
            fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            pid = int(entry.name)
            parents[pid] = int(fields[1])
            kind = next((kind for name, kind in kinds.items() if name in command), None)
            # User and system time, also of processes that have ended.
            spent[pid] = (kind, sum(int(ticks) for ticks in fields[11:15]) / os.sysconf("SC_CLK_TCK"))
    totals = dict.fromkeys(kinds.values(), 0.0)
    for pid, (kind, seconds) in spent.items():
        ancestors = [pid]
        while ancestors[-1] in parents:
            ancestors.append(parents[ancestors[-1]])
        if kind and os.getpid() in ancestors:
            totals[kind] += seconds
    return totals


class Killer(threading.Thread):
    """Kills an executor as soon as a condition holds."""

    def __init__(self, condition):
        super().__init__(daemon=True)
        self.condition = condition
        self.killed = []

    def run(self):
        for _ in range(6000):
            if self.condition():
                for pid in executors()[:1]:
                    os.kill(pid, signal.SIGKILL)
                    self.killed.append(pid)
                return
            time.sleep(0.01)
