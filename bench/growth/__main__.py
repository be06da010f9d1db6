"""Measure how costs grow and draw it: `python -m bench.growth FOLDER [CURVE]...`.

Writes an SVG for each curve and `growth.md`, which shows them. Exit codes: 0 done, 1 something
went wrong, 2 wrong usage, 130 interrupted.
"""

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench.checking import Wrong
from bench.growth.curves import CURVES
from bench.growth.svg import Chart
from bench.interrupting import heard_again, undisturbed_end
from bench.machine import about
from bench.measuring import allow_many_connections
from bench.tables import markdown, number
from bench.target import BrokerFailed

FAILED, INTERRUPTED = 1, 130


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    heading = about(" ".join(["python -m bench.growth", *sys.argv[1:]]))
    allow_many_connections()
    curves = [one for one in CURVES if not options.curves or one.name in options.curves]
    charts = {}
    try:
        with ExitStack() as stack, undisturbed_end():
            temporary = tempfile.TemporaryDirectory(prefix="pubsub-growth-", dir=options.dir)
            folder = Path(stack.enter_context(temporary))
            for curve in curves:
                charts[curve.name] = curve.chart(folder, options.messages, options.largest)
    except (Wrong, BrokerFailed, OSError) as error:
        print(error, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        heard_again()
    _write(options.folder, charts, heading)
    return 0


def _write(folder: Path, charts: dict[str, Chart], heading: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    page = [f"- {name}: {value}" for name, value in heading.items()]
    for name, chart in charts.items():
        (folder / f"growth-{name}.svg").write_text(chart.svg(), "utf-8")
        heads = [chart.across, *(f"{line.name}, {chart.up}" for line in chart.lines)]
        rows = [
            [f"{point:,}", *(number(line.values[place]) for line in chart.lines)]
            for place, point in enumerate(chart.points)
        ]
        page += ["", f"![{chart.title}](growth-{name}.svg)", "", markdown(heads, rows)]
    (folder / "growth.md").write_text("\n".join([*page, ""]), "utf-8")


def _curve(text: str) -> str:
    names = [curve.name for curve in CURVES]
    if text not in names:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(names)}")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the charts go")
    parser.add_argument("curves", nargs="*", type=_curve, metavar="CURVE")
    parser.add_argument("--messages", type=int, default=200_000, help="published at each point")
    parser.add_argument("--largest", type=int, help="leave out the points beyond")
    parser.add_argument("--dir", type=Path, help="where the temporary folder is made")
    return parser


if __name__ == "__main__":
    sys.exit(main())
