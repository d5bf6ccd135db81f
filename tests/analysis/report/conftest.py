"""Run files with made-up numbers."""

import pytest

from neurosim.runfile import Run


@pytest.fixture
def make_run(synthetic, tmp_path):
    """Return a function that writes a run file and opens it; options as ``synthetic_run``'s."""
    opened = []

    def make(scheme="backprop", seed=1, name=None, **options):
        path = synthetic.synthetic_run(tmp_path / (name or f"{scheme}-seed{seed}.h5"), scheme=scheme, seed=seed, **options)
        opened.append(Run(path))
        return opened[-1]

    yield make
    for run in opened:
        run.close()


@pytest.fixture
def edited(altered):
    """Return a function that opens a closed run file with h5py, lets it be changed, and gives it back opened."""
    opened = []

    def edit(run, change):
        run.close()
        with altered(run.path) as file:
            change(file)
        opened.append(Run(run.path))
        return opened[-1]

    yield edit
    for run in opened:
        run.close()
