"""Work beside training: in order, bounded, and what fails comes out."""

import threading
import time

import pytest

from neurosim.runfile import Background


def handed(background, size, work):
    background.put(size, lambda: work)


def test_everything_is_done_in_order():
    background, done = Background(100), []
    for k in range(50):
        handed(background, 1, lambda k=k: done.append(k))
    background.wait()
    background.close()
    assert done == list(range(50))


def test_closing_does_what_waits():
    background, done = Background(100), []
    for k in range(5):
        handed(background, 1, lambda k=k: (time.sleep(0.01), done.append(k)))
    background.close()
    assert done == list(range(5))


def test_a_slow_disk_slows_the_run_down_and_memory_stays_bounded():
    background, gate, alive, most = Background(100), threading.Event(), [0], [0]

    def prepare():
        alive[0] += 40
        most[0] = max(most[0], alive[0])
        return work

    def work():
        gate.wait()
        alive[0] -= 40

    def fill():
        for _ in range(6):
            background.put(40, prepare)

    filling = threading.Thread(target=fill)
    filling.start()
    filling.join(0.2)
    assert filling.is_alive() and alive[0] == 80  # two fit into 100
    gate.set()
    filling.join()
    background.close()
    assert most[0] == 80 and alive[0] == 0


def test_a_piece_larger_than_the_limit_goes_alone():
    background, done = Background(10), []
    for k in range(3):
        handed(background, 1000, lambda k=k: done.append(k))
    background.wait()
    background.close()
    assert done == [0, 1, 2]


def test_what_fails_comes_out_and_nothing_after_it_is_done():
    background, done, gate = Background(10), [], threading.Event()

    def failing():
        gate.wait()
        raise OSError("no room")

    handed(background, 1, failing)
    handed(background, 1, lambda: done.append(1))
    gate.set()
    with pytest.raises(OSError, match="no room"):
        background.wait()
    with pytest.raises(OSError, match="no room"):
        handed(background, 1, lambda: done.append(2))
    background.close()
    assert done == []
