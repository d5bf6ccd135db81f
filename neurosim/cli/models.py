"""``neurosim models``: the model files that come with the package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from neurosim.cli import arguments as args
from neurosim.cli.helping import Help

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

HELP = Help("List the models, with their test errors.", ("neurosim models", "neurosim models | grep dtp"))

WIDE = 110  # columns that leave room for the titles beside the numbers
HEADINGS = ("paper's\nerror, %", "measured\nhere, %", "after\nepochs", "on\nseeds")
SHORTER = "* trained for fewer epochs than the file says: no result of the model yet"
OTHER = "~ of another task: its error is no share of wrong answers of the network; neurosim show says what it is"
LEFT_OUT = "! seeds that are not in the mean above, and what they reached"
MORE = "What a model is, and what to know of its numbers: neurosim show NAME"


def models(debug: args.Debug = False) -> None:
    """List the models that come with neurosim.

    Shows the test error in the paper, and the one measured with neurosim: after how many epochs, and with which seeds.
    """
    from neurosim.cli.progress import console
    from neurosim.cli.tables import fitted, show
    from neurosim.modelfile import published, reading

    found = reading.models()
    numbers = [_numbers(model) for model in found.values()]
    if console.width >= WIDE:
        console.print(_titled(found, numbers, console))
    else:
        columns = [[(heading, list(cells))] for heading, cells in zip(HEADINGS, zip(*numbers, strict=True), strict=True)]
        show(console, fitted(console, ("model", list(found)), columns, left=HEADINGS[-1:]))
    if not all(map(published.is_whole, found.values())):
        typer.echo(SHORTER)
    if any(map(published.score, found.values())):
        typer.echo(OTHER)
    if any(published.failed(model)[0] for model in found.values()):
        typer.echo(LEFT_OUT)
    typer.echo(MORE)


def _numbers(model: dict[str, Any]) -> list[str]:
    """Return what stands below the HEADINGS; seeds that are not in the mean on a line of their own."""
    from neurosim.modelfile import published

    seeds, reached = published.failed(model)
    words = published.score(model)
    measured = published.measured(model).removesuffix(words) + ("~" if words else "")
    cells = [published.paper(model), measured + (f"\n{reached}" if seeds else "")]
    cells.append(published.epochs(model) + ("" if published.is_whole(model) else " *"))
    cells.append(published.seeds(model) + (f"\n{seeds} !" if seeds else ""))
    return [cell.replace(" %", "") for cell in cells]


def _titled(found: dict[str, Any], numbers: list[list[str]], console: Console) -> Table:
    """Return one row for each model, with its title on as many lines as that takes."""
    from rich.markup import escape
    from rich.table import Table

    from neurosim.cli.tables import frame

    table = Table(box=frame(console), pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("model", no_wrap=True)
    table.add_column("what it is")
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading == HEADINGS[-1] else "right", no_wrap=True)
    for (name, model), cells in zip(found.items(), numbers, strict=True):
        table.add_row(*map(escape, (name, model["title"], *cells)))
    return table
