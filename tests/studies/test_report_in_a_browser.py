"""A study's page in a real browser: no word in the console, no request; it draws, sorts, goes dark and prints."""

import base64

import pytest

from neurosim.studies import Study
from neurosim.studies.report import write_study_report

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def report(written, tmp_path_factory):
    """Two schemes, a parameter of numbers, one of texts, one point that diverged."""
    rate, transfer = "stages.0.optimiser.learning_rate", "network.layer.transfer"
    schemes = ["backprop", "difference_target_propagation"]
    study = Study("compare").grid({"scheme": schemes, rate: [0.001, 0.01, 0.1], transfer: ["tanh", "relu"]}).seeds(2)

    def outcome(point):
        return ("diverged", "<b>nan</b>") if point.number == 5 else (9.0 + point.number % 5 + point.seed, 8.0 + point.number)

    folder = written(study, tmp_path_factory.mktemp("report") / "study", outcome)
    return write_study_report(folder, folder / "report.html")


def test_no_word_in_the_console_and_no_request(opened):
    assert opened.get_log("browser") == []
    assert opened.execute_script("return performance.getEntriesByType('resource').length") == 0


def test_every_plot_is_there_and_has_a_size_and_marks(opened):
    sizes = opened.execute_script(
        "return [...document.querySelectorAll('figure .panel > svg')].map(svg => {"
        " const box = svg.getBoundingClientRect();"
        " return [box.width, box.height, svg.querySelectorAll('path').length, getComputedStyle(svg.querySelector('text')).fill] })"
    )
    assert len(sizes) == 3 * 2 + 2
    assert all(width > 200 and height > 80 and marks > 5 for width, height, marks, _ in sizes)
    script = "return [...document.querySelectorAll('.legend path:first-child')].map(path => getComputedStyle(path).stroke)"
    keys = opened.execute_script(script)
    assert keys == ["rgb(78, 78, 78)", "rgb(9, 109, 210)"]


def test_the_table_sorts_by_the_values_of_a_parameter(opened):
    headings = opened.find_elements("css selector", ".sortable thead th")
    names = [heading.text.split(" ")[0] for heading in headings]
    number = names.index("learning_rate")
    headings[number].find_element("tag name", "button").click()
    script = "return [...document.querySelectorAll('.sortable tbody tr')].map(row => row.cells[arguments[0]].textContent)"
    assert opened.execute_script(script, number) == ["0.1"] * 4 + ["0.01"] * 4 + ["0.001"] * 4
    headings[names.index("Validation")].find_element("tag name", "button").click()
    assert opened.execute_script(script, names.index("Validation"))[-1] == ""


def test_dark_and_printed(opened, emulate):
    def background():
        return opened.execute_script("return getComputedStyle(document.documentElement).backgroundColor")

    assert background() == "rgb(255, 255, 255)"
    emulate("dark")
    assert background() == "rgb(22, 24, 26)"
    assert opened.execute_script("return getComputedStyle(document.querySelector('.panel svg text')).fill") == "rgb(228, 228, 225)"
    printed = base64.b64decode(opened.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})["data"])
    assert printed.startswith(b"%PDF") and 2 <= printed.count(b"/Type /Page\n") <= 6


@pytest.mark.parametrize("width", [400, 800, 1600])
def test_no_width_makes_the_page_scroll_sideways(browser, report, width):
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(report.as_uri())
    assert browser.execute_script("return document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
