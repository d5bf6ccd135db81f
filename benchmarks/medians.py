"""Several runs of the table of steps as one: the median of each number over the runs.

    python -m benchmarks.medians RUN.json RUN.json RUN.json --out FILE.json
"""

import argparse
import json
import statistics
from collections import defaultdict
from pathlib import Path

WHICH = ("scheme", "network", "batch")  # what a row is of


def medians(runs: list[dict]) -> dict:
    """Return one table of the rows that all ``runs`` have, in the order of the last; ratios are medians of the runs' ratios."""
    rows = defaultdict(list)
    for run in runs:
        for row in run["steps"]:
            rows[tuple(row[key] for key in WHICH)].append(row)
    joined = []
    for row in runs[-1]["steps"]:
        same = rows[tuple(row[key] for key in WHICH)]
        if len(same) == len(runs):
            joined.append({key: _median(key, value, same) for key, value in row.items()})
    dates = sorted({run["about"]["date"] for run in runs})
    about = {**runs[-1]["about"], "date": f"{dates[0]} to {dates[-1]}" if dates[1:] else dates[0], "runs": len(runs)}
    return {"about": about, "steps": joined}


def _median(key: str, value: object, rows: list[dict]) -> object:
    """Return the median of a number over the runs that have it; of anything else, its last value."""
    return statistics.median(row[key] for row in rows if key in row) if isinstance(value, float) else value


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.medians", description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN.json")
    parser.add_argument("--out", type=Path, required=True, help="write the table as JSON")
    arguments = parser.parse_args()
    found = medians([json.loads(path.read_text(encoding="utf-8")) for path in arguments.runs])
    arguments.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
