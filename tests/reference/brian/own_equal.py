"""Runs neurosim's own networks three times: here, exported to Brian2, and as written by hand for Brian2.

Arguments: cells, ticks, and names of networks.  It prints a line of JSON for each.  See ``equal.py`` for how it is started.
"""

import json
import sys

import brian2 as b2
import numpy as np
from own_networks import NETWORKS

import neurosim.brian

b2.prefs.codegen.target = "numpy"
np.set_printoptions(threshold=0, edgeitems=1)  # exprel of NumPy's target writes what it returns into a message that nobody reads


def trains(net, ticks):
    """Return (tick, index) of each spiking group of a Brian2 network that has run."""
    monitors = [one for one in net.objects if isinstance(one, b2.SpikeMonitor)]
    net.run(ticks * 1e-4 * b2.second)
    return {one.source.name: (np.round(np.asarray(one.t) / 1e-4).astype(int), np.asarray(one.i)) for one in monitors}


for name in sys.argv[3:]:
    cells, ticks = map(int, sys.argv[1:3])
    network, inputs, starts, theirs = NETWORKS[name](cells)
    ours = network.run(ticks * 1e-4, inputs, initial=starts)
    made = neurosim.brian.export(network, inputs, initial=starts)
    exported = trains(made, ticks)
    written = exported
    if theirs is not None:
        by_hand = theirs()
        by_hand.add(*(b2.SpikeMonitor(one) for one in by_hand.objects if isinstance(one, b2.NeuronGroup)))
        written = trains(by_hand, ticks)
    learned = {p.name for p in network.projections.values() if p.rule is not None}
    differ = sum(int((np.asarray(made[one].w) != ours.final[f"{one}.w"][0]).sum()) for one in learned)
    moved = sum(int((network.projections[one].weights() != ours.final[f"{one}.w"][0]).sum()) for one in learned)
    equal = {"exported": True, "by_hand": True}
    for group, of in ours.spikes.items():
        for what, found in (("exported", exported), ("by_hand", written)):
            tick, index = found.get(group, (of.tick, of.index))
            equal[what] &= np.array_equal(tick, of.tick) and np.array_equal(index, of.index)
    spikes = sum(len(of) for group, of in ours.spikes.items() if group != "x")
    found = {"network": name, "spikes": spikes, "weights that moved": moved, "weights that differ": differ}
    print(json.dumps(found | {key: bool(value) for key, value in equal.items()}), flush=True)
