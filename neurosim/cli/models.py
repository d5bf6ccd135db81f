"""``neurosim models``: the model files that come with the package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from neurosim.cli import arguments as args
from neurosim.cli.helping import Help
from neurosim.cli.terminal import say

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

HELP = Help("List the models, with what was measured of them.", ("neurosim models", "neurosim models | grep dtp"))

WIDE = 110  # columns that leave room for the titles beside the numbers
HEADINGS = ("test error\nin the\npaper, %", "test error\nmeasured\nhere, %", "epochs\ntrained", "seeds")
FIRED = ("population", "rate,\nHz", "CV of\nintervals", "syn-\nchrony")
NONE = "- not known, or not measured yet"
SHORTER = "* trained for fewer epochs than the model file says, so not yet to be compared with the paper"
OTHER = "~ not a share of wrong answers, because the task is another one; neurosim show NAME says what is counted"
LEFT_OUT = "! these seeds are not in the mean above; the errors that they reached stand in the same line"
MORE = "More about a model and its numbers: neurosim show NAME"


def models(debug: args.Debug = False) -> None:
    """List the models that come with neurosim.

    Of a training, it shows the test error in the paper, and the one measured with neurosim: after how many epochs, and with which
    seeds. Of a simulation, it shows how its populations fired here.
    """
    from neurosim.cli.progress import console
    from neurosim.cli.tables import fitted, show
    from neurosim.modelfile import published, reading

    found = reading.models()
    numbers = [_numbers(model) for model in found.values()]
    if console.width >= WIDE:
        console.print(_titled(found, numbers, console, HEADINGS))
    else:
        columns = [[(heading, list(cells))] for heading, cells in zip(HEADINGS, zip(*numbers, strict=True), strict=True)]
        show(console, fitted(console, ("model", list(found)), columns, left=HEADINGS[-1:]))
    say(NONE)
    if not all(map(published.is_whole, found.values())):
        say(SHORTER)
    if any(map(published.score, found.values())):
        say(OTHER)
    if any(published.failed(model)[0] for model in found.values()):
        say(LEFT_OUT)
    _simulations(console)
    say(MORE)


def _simulations(console: Console) -> None:
    """Print the models that are spiking networks in time."""
    from neurosim.cli.tables import fitted, show
    from neurosim.modelfile import published, reading

    found = reading.simulations()
    numbers = [_fired(published.fired(model)) for model in found.values()]
    if console.width >= WIDE:
        console.print(_titled(found, numbers, console, FIRED))
    else:
        columns = [[(heading, list(cells))] for heading, cells in zip(FIRED, zip(*numbers, strict=True), strict=True)]
        show(console, fitted(console, ("simulation", list(found)), columns, left=FIRED[:1]))


def _fired(populations: dict[str, tuple[str, str, str]]) -> list[str]:
    """Return what stands below FIRED, a line for each population."""
    columns = zip(*((name, *of) for name, of in populations.items()), strict=True)
    return ["\n".join(column) for column in columns] or ["-"] * len(FIRED)


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


def _titled(found: dict[str, Any], numbers: list[list[str]], console: Console, headings: tuple[str, ...]) -> Table:
    """Return one row for each model, with its title on as many lines as that takes."""
    from rich.markup import escape
    from rich.table import Table

    from neurosim.cli.tables import frame

    table = Table(box=frame(console), pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("simulation" if headings is FIRED else "model", no_wrap=True)
    table.add_column("what it is")
    for heading in headings:
        table.add_column(heading, justify="left" if heading in (HEADINGS[-1], FIRED[0]) else "right", no_wrap=True)
    for (name, model), cells in zip(found.items(), numbers, strict=True):
        table.add_row(*map(escape, (name, model["title"], *cells)))
    return table
