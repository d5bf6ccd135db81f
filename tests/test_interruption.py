"""A signal waits for the end of what must not be cut in two; the second one does not."""

import signal
import threading

import pytest

from neurosim import interruption
from neurosim.interruption import answer, holding, let_go


def test_outside_it_is_raised_at_once():
    with pytest.raises(KeyboardInterrupt, match="by SIGTERM"):
        answer(KeyboardInterrupt("by SIGTERM"))


def test_it_waits_for_the_next_moment_or_the_end():
    done = []
    for at_moment in (True, False):
        with pytest.raises(KeyboardInterrupt, match="first"), holding():
            answer(KeyboardInterrupt("first"))
            answer(KeyboardInterrupt("the same again"))
            done.append("work")
            if at_moment:
                let_go()
                done.append("never")
    assert done == ["work", "work"]
    let_go()  # nothing is left of it


def test_one_within_another_waits_for_the_outer_end():
    with pytest.raises(KeyboardInterrupt), holding():
        with holding():
            answer(KeyboardInterrupt())
        within = True
    assert within


def test_who_asks_again_later_does_not_wait(monkeypatch):
    monkeypatch.setattr(interruption, "PAIR", -1)
    with pytest.raises(KeyboardInterrupt, match="second"), holding():
        answer(KeyboardInterrupt("first"))
        answer(KeyboardInterrupt("second"))
        pytest.fail("it did wait")
    let_go()


def test_ctrl_c_in_python_waits_where_python_would_answer_it():
    handler = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), holding():
            signal.raise_signal(signal.SIGINT)
            whole = True
        assert whole and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        came = []
        signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
        with holding():
            signal.raise_signal(signal.SIGINT)
        assert came == [signal.SIGINT]  # a user's own handler stays
    finally:
        signal.signal(signal.SIGINT, handler)


def test_another_thread_holds_nothing():
    seen = []

    def work():
        with holding():
            seen.append(interruption._Held.depth)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [0]
