"""The command line: `python -m wa_spark ingest --input LOG… --output STORE`.

`spark-submit` runs this file too: `spark-submit … $(python -m wa_spark path) ingest …`.
"""

import argparse
import json
import os
import sys

import wa_spark
from wa_spark._report import report_text


def main():
    """Runs a command."""
    arguments = _parse()
    if arguments.command == "path":
        print(os.path.abspath(__file__))
        return 0
    if "PYSPARK_GATEWAY_PORT" not in os.environ:
        # Not started by spark-submit, which sets the interpreter of the tasks.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)

    from pyspark.sql import SparkSession

    spark = SparkSession.builder.appName(f"wa {arguments.command}").getOrCreate()
    try:
        return {"ingest": _ingest, "report": _report}[arguments.command](spark, arguments)
    finally:
        spark.stop()


def _parse():
    parser = argparse.ArgumentParser(
        prog="wa_spark",
        description="Run wa on Apache Spark. A path must be mounted on the driver and on all executors. "
        "A URL (hdfs://..., s3a://...) is opened by Spark's file systems.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("ingest", help="ingest logs into a store")
    command.add_argument("--input", nargs="+", required=True, metavar="PATH", help="files, folders or globs; each a path or a URL")
    command.add_argument("--output", required=True, metavar="STORE", help="folder of the store; a path or a URL")
    command.add_argument("--chatbot", help="chatbot of lines without chatbot_id")
    command.add_argument("--map", metavar="NAME|FILE", help="map that reads all files")
    command.add_argument("--timezone", help="time zone of times without an offset")
    command.add_argument("--force", action="store_true", help="read files even if they are unchanged")
    command.add_argument("--partitions", type=int, help="number of partitions of the shuffles")
    command.add_argument("--now", type=int, help=argparse.SUPPRESS)
    command = commands.add_parser("report", help="print a report on a store as JSON")
    command.add_argument("--store", required=True, help="folder of the store; a path or a URL")
    command.add_argument(
        "arguments", nargs=argparse.REMAINDER, metavar="REPORT [OPTION...]", help="report and options, as for `wa report`"
    )
    commands.add_parser("path", help="print the path of this program, for spark-submit")
    return parser.parse_args()


def _ingest(spark, arguments):
    try:
        summary = wa_spark.ingest(
            spark,
            arguments.input,
            arguments.output,
            chatbot=arguments.chatbot,
            map=arguments.map,
            timezone=arguments.timezone,
            force=arguments.force,
            partitions=arguments.partitions,
            now=arguments.now,
        )
    except (RuntimeError, ValueError) as error:
        return _failed(error)
    json.dump(summary, sys.stdout, indent=2)
    print()
    damaged = [file for file in summary["files"] if file["outcome"] in ("damaged", "unreadable")]
    return 4 if damaged else 0


def _report(spark, arguments):
    try:
        print(report_text(spark, arguments.store, arguments.arguments), end="")
    except (RuntimeError, ValueError) as error:
        return _failed(error)
    return 0


def _failed(error):
    """Prints an error, and returns the exit status."""
    print(f"wa_spark: {error}", file=sys.stderr)
    return 2 if isinstance(error, ValueError) else 1


if __name__ == "__main__":
    sys.exit(main())
