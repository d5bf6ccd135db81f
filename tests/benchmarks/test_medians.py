"""Several runs of a table become one of medians."""

from benchmarks.medians import medians


def run(date, **took):
    rows = [{"scheme": name, "network": "2-2", "batch": 1, "ours_ms": ms, "asks": "much"} for name, ms in took.items()]
    return {"about": {"date": date, "cores": 2}, "steps": rows}


def test_a_number_is_the_median_of_the_runs_that_have_it():
    first, second, third = run("1", a=3.0, b=1.0), run("2", b=5.0, a=1.0), run("2", a=2.0, b=4.0, c=1.0)
    third["steps"][0]["products_ms"] = 0.5
    found = medians([first, second, third])
    assert [(row["scheme"], row["ours_ms"], row["asks"]) for row in found["steps"]] == [("a", 2.0, "much"), ("b", 4.0, "much")]
    assert found["steps"][0]["products_ms"] == 0.5
    assert found["about"] == {"date": "1 to 2", "cores": 2, "runs": 3}
