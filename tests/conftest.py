"""What several tests share."""

import gc
import importlib.util
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest

from neurosim.runfile import Run
from neurosim.runfile.digests import seal_all
from neurosim.runfile.run_file import TEXTS

BROWSER = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--window-size=1200,900",
)  # fmt: skip


def pytest_collection_finish():
    """Let no collection of garbage look through what lives as long as the session: Brian2 asks for one in each run."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def small():
    """Return the contents of a model file that trains in a blink, with everything random there is."""

    def contents(**stage):
        return {
            "title": "small",
            "data": {"name": "digits", "limit": 200, "validation": 0.1},
            "network": {"hidden": [12, 12], "input": {"noise": 0.1}, "layer": {"dropout": 0.1}},
            "stages": [
                {"scheme": "backprop", "optimiser": {"name": "adam", "learning_rate": 0.003}, "epochs": 3, "batch": 50} | stage
            ],
            "record": {"variables": ["hidden1.rate", "x__hidden1.w"], "samples": 5},
        }

    return contents


@pytest.fixture
def numpy_target():
    """Let Brian2 compile nothing."""
    from neurosim.brian.uncompiled import uncompiled  # the import of Brian2 takes its time

    with uncompiled():
        yield


@pytest.fixture(scope="session")
def synthetic():
    """The module that writes run files with made-up numbers."""
    spec = importlib.util.spec_from_file_location("synthetic", Path(__file__).with_name("synthetic.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def made_up(synthetic, tmp_path):
    """The path of a run file with made-up numbers."""
    return synthetic.synthetic_run(tmp_path / "run.h5", spikes=True)


@pytest.fixture
def altered():
    """A run file opened to be changed by a stranger who wants to be believed: the digests are made to agree."""

    @contextmanager
    def alter(path):
        with h5py.File(path, "r+") as file:
            yield file
            seal_all(file, TEXTS)

    return alter


@pytest.fixture
def files_of():
    """No file grows beyond some bytes, as on a full disk."""
    resource = pytest.importorskip("resource", reason="this system has no such limit")

    @contextmanager
    def limited(most):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited


@pytest.fixture
def same_content():
    """Return a function that compares all datasets of two run files, bit for bit, wherever checkpoints lie, but for times."""

    def everything(path):
        found = {}
        with h5py.File(path) as file:
            file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
        kept = {name: value for name, value in found.items() if not name.endswith("seconds") and "checkpoints/" not in name}
        with Run(path) as run:
            for step in run.checkpoint_steps:
                kept |= {f"{name} of the checkpoint after step {step}": value for name, value in run.checkpoint(step=step).items()}
            return kept | {"checkpoints": run.checkpoints}

    def compare(one, other):
        a, b = everything(one), everything(other)
        assert a.keys() == b.keys()
        assert len(a) > 20
        for name, value in a.items():
            np.testing.assert_array_equal(value, b[name], err_msg=name)

    return compare


@pytest.fixture
def users_module(tmp_path):
    """Return a function that writes a user's module; what was imported of it is forgotten after the test."""
    written = []

    def write(text, name="a_users_own", folder=tmp_path):
        written.append(name)
        sys.modules.pop(name, None)
        path = folder / f"{name}.py"
        path.write_text(text)
        return path

    yield write
    for name in written:
        sys.modules.pop(name, None)


@pytest.fixture
def users_classes(users_module):
    """The path of a user's module with one class or function of each kind."""
    return users_module((Path(__file__).with_name("users_own.txt")).read_text())


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Headless Chromium with an empty profile."""
    chromium, driver = shutil.which("chromium") or shutil.which("chromium-browser"), shutil.which("chromedriver")
    if importlib.util.find_spec("selenium") is None or not chromium or not driver:
        pytest.skip("needs selenium, chromium and chromedriver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in (*BROWSER, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield started
    started.quit()


@pytest.fixture
def emulate(browser):
    """Return a function that shows the page of the browser light or dark, on a screen or as it is printed."""

    def show(scheme, media=""):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})

    return show


@pytest.fixture
def opened(browser, emulate, report):
    """The browser with the page of a module's ``report`` open, light, 1200 pixels wide."""
    emulate("light")
    browser.get(report.as_uri())
    return browser
