"""``neurosim models``: the model files that come with the package."""

from __future__ import annotations

from neurosim.cli import arguments as args


def models(debug: args.Debug = False) -> None:
    """List the model files, with the paper's test error and the one measured here."""
    from rich import box
    from rich.table import Table

    from neurosim.cli.progress import console
    from neurosim.experiments import reading

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("name", no_wrap=True)
    table.add_column("what")
    table.add_column("test error:\nthe paper's", justify="right")
    table.add_column("measured\nhere", justify="right")
    for name, contents in reading.models().items():
        table.add_row(name, contents.get("title", ""), paper(contents.get("paper", {})), measured(contents.get("measured", {})))
    console.print(table)


def paper(table: dict[str, object]) -> str:
    """Return a paper's number, marked where it was not verified."""
    if table.get("test_error") is None:
        return "-"
    return f"{table['test_error']} %{'' if table.get('verified') else ' (unverified)'}"


def measured(table: dict[str, object]) -> str:
    """Return the number measured here, with its spread where there is one."""
    if table.get("test_error") is None:
        return "-"
    spread = f" ± {table['std']}" if table.get("std") is not None else ""
    return f"{table['test_error']}{spread} %"
