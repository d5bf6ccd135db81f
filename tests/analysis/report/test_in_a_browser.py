"""The page in a real browser: no word in the console, no request; it draws, sorts, goes dark and prints."""

import base64
from contextlib import ExitStack

import pytest

from neurosim.analysis.report import write_report
from neurosim.runfile import Run

pytestmark = pytest.mark.slow

EVIL = '<script>document.title = "taken"; alert(1)</script><img src=x onerror="document.title = \'taken\'">"\''


def written(synthetic, folder, change=None):
    """Write a report on three schemes, two seeds each; ``change`` is done to each run file first."""
    paths = []
    for scheme, epochs in {"backprop": 4, "feedback_alignment": 2, "local_errors": 3}.items():
        for seed in (1, 2):
            options = {"scheme": scheme, "seed": seed, "spikes": scheme == "backprop", "epochs": epochs}
            paths.append(synthetic.synthetic_run(folder / f"{scheme}-seed{seed}.h5", **options))
            if change:
                change(paths[-1])
    with ExitStack() as opened:
        return write_report([opened.enter_context(Run(path)) for path in paths], folder / "report.html")


@pytest.fixture(scope="module")
def report(synthetic, tmp_path_factory):
    return written(synthetic, tmp_path_factory.mktemp("report"))


def column(browser, number):
    rows = "document.querySelectorAll('#comparison .sortable tbody tr')"
    script = f"return [...{rows}].map(row => row.cells[arguments[0]].textContent.trim())"
    return browser.execute_script(script, number)


def background(browser):
    return browser.execute_script("return getComputedStyle(document.documentElement).backgroundColor")


def test_no_word_in_the_console_and_no_request(opened):
    assert opened.get_log("browser") == []
    assert opened.execute_script("return performance.getEntriesByType('resource').length") == 0


def test_the_log_would_tell(browser, tmp_path):
    (tmp_path / "bad.html").write_text("<script>nothing.there()</script>")
    browser.get((tmp_path / "bad.html").as_uri())
    assert browser.get_log("browser")


def test_every_plot_is_there_and_has_a_size_and_lines(opened):
    sizes = opened.execute_script(
        "return [...document.querySelectorAll('figure .panel > svg')].map(svg => {"
        " const box = svg.getBoundingClientRect();"
        " const lines = [...svg.querySelectorAll('path')].filter(path => path.getTotalLength() > 20).length;"
        " return [box.width, box.height, lines, getComputedStyle(svg.querySelector('text')).fill] })"
    )
    represented = 4 + 3 + 3  # measures by depth, a map of populations for each scheme, a map of schemes for each population
    assert len(sizes) == 2 * (2 + 3) + 3 + 3 * 3 + 3 + 2 + represented
    assert all(width > 200 and height > 150 and lines > 0 for width, height, lines, _ in sizes)
    assert {fill for *_, fill in sizes} == {"rgb(27, 27, 27)"}  # the page's own text colour


def test_a_screenshot_is_not_empty(opened, tmp_path):
    opened.save_screenshot(str(tmp_path / "page.png"))
    assert (tmp_path / "page.png").stat().st_size > 20_000


def test_the_table_sorts_by_click_and_by_key(opened):
    from selenium.webdriver.common.keys import Keys

    headings = opened.find_elements("css selector", "#comparison .sortable thead th")
    number = next(k for k, heading in enumerate(headings) if heading.text.startswith("Test"))
    button = headings[number].find_element("tag name", "button")
    before, first = column(opened, number), column(opened, 0)
    assert headings[number].get_attribute("aria-sort") == "none"
    button.click()
    assert headings[number].get_attribute("aria-sort") == "descending"
    down = [float(text.split(" ")[0]) for text in column(opened, number)]
    assert down == sorted(down, reverse=True) and len(set(down)) == 3
    button.send_keys(Keys.ENTER)
    assert headings[number].get_attribute("aria-sort") == "ascending"
    assert [float(text.split(" ")[0]) for text in column(opened, number)] == down[::-1]
    assert sorted(column(opened, number)) == sorted(before) and column(opened, 0) != first


def test_words_sort_as_words_and_empty_cells_come_last(opened):
    headings = opened.find_elements("css selector", "#comparison .sortable thead th")
    headings[0].find_element("tag name", "button").click()
    assert column(opened, 0) == ["backprop", "feedback alignment", "local errors"]
    assert headings[0].get_attribute("aria-sort") == "ascending"
    points = next(k for k, heading in enumerate(headings) if heading.text.startswith("Percentage points"))
    for _ in range(2):
        headings[points].find_element("tag name", "button").click()
        assert column(opened, points)[-1] == "" and column(opened, 0)[-1] == "backprop"
    assert headings[0].get_attribute("aria-sort") == "none"


def test_dark_and_printed(opened, emulate):
    assert background(opened) == "rgb(255, 255, 255)"
    emulate("dark")
    assert background(opened) == "rgb(22, 24, 26)"
    fill = opened.execute_script("return getComputedStyle(document.querySelector('.panel svg text')).fill")
    assert fill == "rgb(228, 228, 225)"
    emulate("dark", "print")
    assert background(opened) == "rgb(255, 255, 255)"
    assert not opened.find_element("tag name", "nav").is_displayed()


def test_it_prints_as_pages(opened):
    printed = base64.b64decode(opened.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})["data"])
    assert printed.startswith(b"%PDF") and 2 <= printed.count(b"/Type /Page\n") <= 12


@pytest.mark.parametrize("width", [400, 768, 1400])
def test_no_width_makes_the_page_scroll_sideways_and_a_table_that_does_says_so(browser, report, width):
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(report.as_uri())
    assert browser.execute_script("return document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    tables = browser.execute_script(
        "return [...document.querySelectorAll('.wide')].map(wide => ["
        " wide.scrollWidth > wide.clientWidth, wide.previousElementSibling.offsetHeight > 0])"
    )
    assert len(tables) == 4 and all(scrolls == told for scrolls, told in tables)
    assert tables[0][0] == (width < 1400)
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_scheme_stays_in_sight_when_the_table_scrolls(browser, report):
    size = {"width": 400, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(report.as_uri())
    script = (
        "const wide = document.querySelector('.wide'); wide.scrollLeft = 300;"
        " const cells = [...wide.querySelectorAll('tbody tr:first-child > *')];"
        " return [wide.scrollLeft, ...cells.slice(0, 2).map(cell => cell.getBoundingClientRect().left)]"
    )
    moved, first, second = browser.execute_script(script)
    assert moved > 100 and first >= 0 > second
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_it_can_be_read_without_scripts(browser, report):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.get(report.as_uri())
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    headings = browser.find_elements("css selector", "#comparison .sortable thead th")
    assert headings[0].text == "Scheme" and not browser.find_elements("css selector", ".sortable button")


def test_a_strangers_texts_run_nothing(browser, synthetic, altered, tmp_path):
    def change(path):
        with altered(path) as file:
            for name in ("device", "git_commit", "reason", "neurosim_version"):
                file.attrs[name] = EVIL
            file.attrs["model_name"] = f"{file.attrs['model_name']} {EVIL}"
            text = file["model"].asstr()[()] + f"\n# {EVIL}\n"
            del file["model"]
            file["model"] = text
            file.move("populations/hidden1", "populations/<script>alert(2)<")
            file.move("alignment/x__hidden1", f"alignment/x__{EVIL.replace('/', '')}")

    browser.get(written(synthetic, tmp_path, change).as_uri())
    assert browser.get_log("browser") == [] and browser.title.startswith("3 schemes on digits")
    assert len(browser.find_elements("tag name", "script")) == 1 and not browser.find_elements("tag name", "img")
    assert EVIL in browser.execute_script("return document.querySelector('pre:not(.commands)').textContent")
