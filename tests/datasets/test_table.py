"""Tables of numbers: what they hold, and what is refused in one line."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from neurosim.datasets import load, table
from neurosim.datasets.table import read_table
from neurosim.errors import DataError

PROPERTY = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)


def write(folder: Path, text: str) -> Path:
    (folder / "data.csv").write_text(text, encoding="utf-8", newline="")
    return folder / "data.csv"


@PROPERTY
@given(
    hnp.arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(1, 4)), elements=st.floats(allow_nan=False)),
    st.sampled_from(["label", "Target", "last"]),
    st.data(),
)
def test_what_pandas_wrote_is_read_back(tmp_path: Path, x: np.ndarray, name: str, draw: st.DataObject) -> None:
    words = st.text("abcxyz, \"'\n\N{SNOWMAN}", min_size=1, max_size=5).map(lambda word: f"w{word}")
    y = draw.draw(st.lists(words, min_size=len(x), max_size=len(x)))
    frame = pd.DataFrame(x, columns=[f"f{k}" for k in range(x.shape[1])])
    at = draw.draw(st.integers(0, x.shape[1])) if name != "last" else x.shape[1]
    frame.insert(at, name, y)
    frame.to_csv(tmp_path / "data.csv", index=False)
    found = read_table(tmp_path / "data.csv")
    np.testing.assert_allclose(found["x"], x, rtol=1e-15)
    assert found["y"].tolist() == y


@pytest.mark.parametrize(
    ("text", "x", "y"),
    [
        ("a,b\n1,2\n3,4.5\n", [[1], [3]], [2, 4.5]),
        ("a,b\r\n1,True\r\n3,False\r\n", [[1], [3]], [True, False]),
        ("\ufeffa, Label ,b\n1, yes,2\n\n3,no,4", [[1, 2], [3, 4]], ["yes", "no"]),
        ("0,1,label\n5,6,NA\n7,8,None\n", [[5, 6], [7, 8]], ["NA", "None"]),
        ("a,b\nTrue,1\nFalse,2\n", [[1], [0]], [1, 2]),
    ],
)
def test_tables(tmp_path: Path, text: str, x: list[list[float]], y: list[object]) -> None:
    found = read_table(write(tmp_path, text))
    assert (found["x"].tolist(), found["y"].tolist()) == (x, y)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "nothing in the first line"),
        ("\n1,2\n", "nothing in the first line"),
        ("a,b\n", "no line below the first"),
        ("a;b\n1;2\n", "first line 'a;b': expected a column for each feature"),
        ("5.1,3.5,setosa\n4.9,3,setosa\n", "first line with '5.1': expected the names of the columns, not a sample"),
        (",a,label\n0,1,x\n1,2,y\n", "column 1 has no name: .*index=False"),
        ("label,target\n1,2\n", r"columns \['label', 'target'\]: expected one column called label or target"),
        ("colour,label\nred,1\n", "column 'colour' holds 'red' in sample 0: expected numbers"),
        ("a,label\n1,x\n,y\n", "column 'a' holds '' in sample 1: expected numbers"),
        ("a,label\n1,x\nnan,y\n", "column 'a' holds 'nan' in sample 1: expected numbers"),
        ("a,label\n1,2.5\n2,NA\n", "column 'label' holds 'NA' in sample 1 beside numbers"),
        ("a,label\n1,2,3\n4,5,6\n", "expected a table of numbers, separated by commas"),
        ("a,label\n1,2\n4,5,6\n", "expected a table of numbers, separated by commas"),
        ('a,label\n"1,2\n', "expected a table of numbers, separated by commas"),
        ('"a\nb",label\n1,2\n', "expected a table of numbers"),
        ("a,label\n99999999999999999999999,1\n", "column 'a' holds 9999"),
    ],
)
def test_other_tables_are_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_table(write(tmp_path, text))
    assert "\n" not in str(caught.value)
    assert "data.csv: " in str(caught.value)


def test_a_line_that_is_too_short_has_no_target(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="label '' of image 1: expected a text for each"):
        load(write(tmp_path, "a,b,label\n1,2,x\n3,4\n5,6,y\n"))


def test_infinity_is_refused_by_its_sample(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="data.csv: image 1 holds inf"):
        load(write(tmp_path, "a,b\n1,0\n1e999,1\n2,0\n"))


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_bytes(b"a,b\n1,\xff\xfe\n")
    with pytest.raises(DataError, match="codec can't decode"):
        read_table(tmp_path / "data.csv")


def test_tables_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "a,b\n" + "1,2\n" * 100)
    assert len(read_table(path, 200)["x"]) == 100
    with pytest.raises(DataError, match="over 99 lines of 2 columns: expected at most 198 values"):
        read_table(path, 198)
    with pytest.raises(DataError, match="404 bytes: expected at most 320"):
        read_table(path, 10)
    monkeypatch.setattr(table, "MOST_COLUMNS", 4)
    with pytest.raises(DataError, match="5 columns: expected at most 4"):
        read_table(write(tmp_path, "a,b,c,d,e\n1,2,3,4,5\n"))
    monkeypatch.setattr(table, "LONGEST_LINE", 8)
    with pytest.raises(DataError, match="a first line of over 8 characters"):
        read_table(write(tmp_path, "a,b,c,d,e\n1,2,3,4,5\n"))


@PROPERTY
@given(st.text("01.,-e\n\"a'\r\0 \N{SNOWMAN}", max_size=60))
def test_any_text_is_a_table_or_one_line(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    try:
        found = read_table(path)
    except DataError as error:
        assert "\n" not in str(error)
    else:
        assert len(found["x"]) == len(found["y"]) <= len(io.StringIO(text).readlines()) + text.count("\r")
