"""Circuits made by hand, for tests of what runs them."""

import ast

import numpy as np

from neurosim.circuit import Assignment, Block, Circuit, Deliver, Lag, Place, Record, Reset, SpikingGroup, Threshold, Update

DT = 0.001


def made(target, operator, value, **options):
    return Assignment(target, operator, ast.parse(value, mode="eval").body, **options)


def block(places, *each, **constants):
    return Block(constants, {name: Place(*place) for name, place in places.items()}, (), tuple(each))


V = {"v": ("cells.v", "element")}


def noisy(size=20, every=5, interval=3):
    """Cells that grow by random steps and are reset; each makes the next one's synapse grow after two ticks; v is recorded."""
    pre, post = np.arange(size, dtype=np.int32), np.roll(np.arange(size, dtype=np.int32), -1)
    lag = Lag(2, np.arange(size + 1, dtype=np.int32), pre)
    look = block({}, made("_to_record_v", "=", "v", local=True))
    look = Block({}, {"v": Place("cells.v", "element")}, (), look.each)
    actions = (
        Record("states", np.arange(0, size, 2, dtype=np.int32), look, {"v": "_to_record_v"}, interval, units={"v": "V"}),
        Update("grow", size, block(V, made("v", "+=", "2*rand()"))),
        Threshold("look", "cells", block(V, made("_cond", "=", "v >= every", local=True, kind="bool"), every=every), "_cond"),
        Deliver("send", "cells", (lag,), pre, post, block({"w": ("synapses.w", "element")}, made("w", "+=", "0.5"))),
        Reset("reset", "cells", block(V, made("v", "=", "0"))),
    )
    arrays = {"cells.v": np.zeros(size), "synapses.w": np.zeros(size)}
    units = {"cells.v": "V", "synapses.w": "1"}
    return Circuit(DT, arrays, {"cells": SpikingGroup("cells", size, 3)}, actions, units)
