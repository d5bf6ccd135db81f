from __future__ import annotations

from http.client import IncompleteRead
from typing import Any
from urllib.error import HTTPError, URLError

import numpy as np
import pytest
import sklearn.datasets

from neurosim.datasets.openml import download
from neurosim.datasets.registry import Entry, find
from neurosim.errors import DataError

SMALL = Entry("toy", "Toy", (1, 1, 2), 10, 3, 2, "https://example.org", "none", "nobody", "none", openml=("Toy", 7))


def answer_with(monkeypatch: pytest.MonkeyPatch, answer: Any) -> list[dict[str, Any]]:
    asked: list[dict[str, Any]] = []

    def fetch_openml(name: str, **options: Any) -> Any:
        asked.append({"name": name, **options})
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch_openml)
    return asked


def test_the_first_rows_are_for_training(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.arange(10.0).reshape(5, 2)
    asked = answer_with(monkeypatch, (pixels, np.array(["3", "1", "4", "1", "5"], object)))
    arrays = download(SMALL)
    assert (asked[0]["name"], asked[0]["version"], asked[0]["as_frame"]) == ("Toy", 7, False)
    assert arrays.x_train.dtype == np.uint8
    assert arrays.x_train.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert arrays.y_train.tolist() == [3, 1, 4]
    assert arrays.x_test.tolist() == [[6, 7], [8, 9]]
    assert arrays.y_test.tolist() == [1, 5]


@pytest.mark.parametrize(
    "failure",
    [
        URLError("Name or service not known"),
        HTTPError("https://www.openml.org", 503, "busy", None, None),  # type: ignore[arg-type]
        TimeoutError("timed out"),
        IncompleteRead(b""),
        ValueError("md5 checksum of local file\ndoes not match description"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_without_a_network_the_message_says_how_to_do_without(monkeypatch: pytest.MonkeyPatch, failure: Exception) -> None:
    answer_with(monkeypatch, failure)
    with pytest.raises(DataError) as caught:
        download(find("mnist"))
    message = str(caught.value)
    for part in (
        "data set mnist",
        "train-images-idx3-ubyte",
        "mnist.npz",
        "--data-dir",
        "NEUROSIM_DATA",
        "http://yann.lecun.com",
    ):
        assert part in message
    assert "\n" not in message
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("pixel", "label", "message"),
    [(300.0, "1", "pixels that are no bytes"), (np.nan, "1", "pixels that are no bytes"), (0.0, "cat", "invalid literal.*'cat'")],
)
def test_other_content_is_refused(monkeypatch: pytest.MonkeyPatch, pixel: float, label: str, message: str) -> None:
    answer_with(monkeypatch, (np.full((5, 2), pixel), np.array([label] * 5, object)))
    with pytest.raises(DataError, match=f"toy from OpenML: {message}.*: expected bytes and numbers of classes"):
        download(SMALL)


def test_another_number_of_images_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    answer_with(monkeypatch, (np.zeros((4, 2)), np.array(["1"] * 4)))
    with pytest.raises(DataError, match="toy from OpenML: 4 images: expected 5"):
        download(SMALL)
