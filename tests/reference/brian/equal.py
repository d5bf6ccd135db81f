"""Runs every network in Brian2 and here, 10,000 ticks each, and prints a line of JSON for each: what was compared, what was equal.

NumPy's exp differs in the last bit from the C library's on processors with AVX-512.  Brian2's NumPy target uses the one, our
machine code the other.  So this program is started with NPY_DISABLE_CPU_FEATURES, which makes NumPy use the C library's.
"""

import json

import brian2 as b2
import numpy as np
from networks import NETWORKS

import neurosim.brian

b2.prefs.codegen.target = "numpy"
np.set_printoptions(threshold=0, edgeitems=1)  # exprel of NumPy's target writes what it returns into a message that nobody reads
for build in NETWORKS:
    b2.seed(1)
    net, namespace, compared = build()
    monitors = [b2.SpikeMonitor(one) for one in net.objects if isinstance(one, b2.NeuronGroup | b2.SpikeGeneratorGroup)]
    net.add(*monitors)
    dt = float(net["cells"].dt[:])
    loaded = neurosim.brian.load(net, namespace)
    ours = loaded.run(10_000 * dt)
    net.run(10_000 * dt * b2.second, namespace=namespace)
    spikes, equal = 0, True
    for monitor in monitors:
        mine = ours.spikes[monitor.source.name]
        ticks = np.round(np.asarray(monitor.t) / dt).astype(int)
        spikes += len(ticks)
        equal &= np.array_equal(monitor.i, mine.index) and np.array_equal(ticks, mine.tick)
    differ = {}
    for name in compared:
        owner, _, variable = name.partition(".")
        theirs = np.asarray(net[owner].variables[variable].get_value())
        differ[name] = int((theirs != ours.final[name][0]).sum())
    print(json.dumps({"network": build.__name__, "spikes": spikes, "equal": bool(equal), "differ": differ}), flush=True)
