"""Objects that a stranger may put where a run file has a dataset: each leads elsewhere, claims too much, or is of another kind."""

import functools
import zlib

import h5py
import numpy as np

LIBRARY = ("v110", "v110")
VICTIM = b"precious\n" * 100_000


def _create(file, place, dtype, shape, change, most=None):
    """Make a dataset with HDF5's own functions; ``change`` gets its creation properties."""
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    change(plist)
    links = h5py.h5p.create(h5py.h5p.LINK_CREATE)
    links.set_create_intermediate_group(True)
    space = h5py.h5s.create_simple(shape, most)
    return h5py.h5d.create(file.id, place.encode(), dtype, space, plist, links)


def _bomb(file, place, victim):
    def change(plist):
        plist.set_chunk((1000,))
        plist.set_shuffle()
        plist.set_deflate(9)
        plist.set_fletcher32()

    dataset = _create(file, place, h5py.h5t.IEEE_F64LE, (3,), change, (h5py.h5s.UNLIMITED,))
    dataset.write_direct_chunk((0,), _zeros(2**28) + bytes(4))


@functools.cache
def _zeros(count):
    return zlib.compress(bytes(count), 9)


def _nested(file, place, victim):
    def change(plist):
        plist.set_chunk((2**20,))
        plist.set_deflate(9)
        plist.set_deflate(9)

    dataset = _create(file, place, h5py.h5t.IEEE_F64LE, (2**20,), change, (h5py.h5s.UNLIMITED,))
    dataset.write_direct_chunk((0,), zlib.compress(zlib.compress(bytes(2**23), 9), 9))


def _virtual(file, place, victim):
    layout = h5py.VirtualLayout((3,), "i8", maxshape=(None,))
    layout[:] = h5py.VirtualSource(str(victim), "values", (3,))
    file.create_virtual_dataset(place, layout)


def _committed(file, place, victim):
    file["committed type"] = np.dtype("i8")
    file.create_dataset(place, (3,), maxshape=(None,), dtype=file["committed type"])


def _twice(file, place, victim):
    file[place] = file["metrics"]


def _references(file, place, victim):
    file.create_dataset(place, data=np.array([file["metrics"].ref] * 3, h5py.ref_dtype))


def _made(*arguments, **options):
    return lambda file, place, victim: file.create_dataset(place, *arguments, **options)


HOSTILE = {
    "external": lambda file, place, victim: file.create_dataset(
        place, (3,), "i8", maxshape=(None,), external=[(str(victim), 0, h5py.h5f.UNLIMITED)]
    ),
    "virtual": _virtual,
    "soft link": lambda file, place, victim: file.__setitem__(place, h5py.SoftLink("/metrics")),
    "dangling link": lambda file, place, victim: file.__setitem__(place, h5py.SoftLink("/nowhere")),
    "external link": lambda file, place, victim: file.__setitem__(place, h5py.ExternalLink(str(victim), "values")),
    "nothing": lambda file, place, victim: None,
    "group": lambda file, place, victim: file.create_group(place),
    "two names": _twice,
    "type": lambda file, place, victim: file.__setitem__(place, np.dtype("i8")),
    "committed type": _committed,
    "contiguous": _made(data=np.arange(3)),
    "scalar": _made(data=1.5),
    "empty": lambda file, place, victim: file.__setitem__(place, h5py.Empty("f8")),
    "float": _made(data=np.array([np.nan, np.inf, -1]), maxshape=(None,), chunks=(64,), fletcher32=True),
    "negative": _made(data=np.array([-1, -5, -(2**62)]), maxshape=(None,), chunks=(64,), fletcher32=True),
    "enormous": _made(data=np.array([2**62, 2**63 - 1, 0]), maxshape=(None,), chunks=(64,), fletcher32=True),
    "half": _made(data=np.ones(3, np.float16), maxshape=(None,), chunks=(64,)),
    "complex": _made(data=np.ones(3, complex)),
    "rank 32": _made((1,) * 32, "f8", maxshape=(None,) * 32, chunks=(1,) * 32),
    "terabytes": _made((10**12,), "f8", maxshape=(None,), chunks=(10**5,)),
    "large chunks": _made((3,), "f8", maxshape=(None,), chunks=(2**28,), compression="gzip"),
    "ragged": _made((3,), h5py.vlen_dtype(np.float64)),
    "references": _references,
    "opaque": _made(data=np.zeros(3, "V8")),
    "compound": _made(data=np.zeros(3, [("a", "f8"), ("b", "S4")])),
    "enumeration": _made((3,), h5py.enum_dtype({"a": 0, "b": 1}, "i8"), maxshape=(None,), chunks=(64,)),
    "texts": _made(data=["=1+1", "@", "-"]),
    "endless text": _made(data="x" * 3_000_000),
    "scale-offset": _made(data=np.arange(3), maxshape=(None,), chunks=(64,), scaleoffset=0),
    "LZF": _made(data=np.arange(3), maxshape=(None,), chunks=(64,), compression="lzf"),
    "fill value": _made((3,), "i8", maxshape=(None,), chunks=(64,), fillvalue=7),
    "n-bit": lambda file, place, victim: _create(
        file, place, h5py.h5t.STD_I64LE, (3,), lambda plist: (plist.set_chunk((3,)), plist.set_filter(h5py.h5z.FILTER_NBIT))
    ),
    "unknown filter": lambda file, place, victim: _create(
        file,
        place,
        h5py.h5t.STD_I64LE,
        (3,),
        lambda plist: (plist.set_chunk((3,)), plist.set_filter(32999, h5py.h5z.FLAG_OPTIONAL, (1,))),
    ),
    "bomb": _bomb,
    "bomb in a bomb": _nested,
}


def replace(path, place, kind, victim):
    """Put a hostile object at ``place``; attributes that were there stay where an object can have some."""
    with h5py.File(path, "r+", libver=LIBRARY) as file:
        attributes = dict(file[place].attrs)
        del file[place]
        HOSTILE[kind](file, place, victim)
        if isinstance(file.get(place, getlink=True), h5py.HardLink) and kind != "two names":
            file[place].attrs.update(attributes)


def everything(path):
    """Read all that ``open_run`` offers; raise what it raises."""
    import neurosim

    with neurosim.open_run(path) as run:
        assert run.model is not None and repr(run) and run.spikes is not None
        assert len(run.metrics) >= 0 and len(run.alignment) >= 0
        for values in run.recordings.values():
            values.isel(recording=slice(0, 3)).values  # noqa: B018
        for epoch in run.checkpoints:
            run.weights(epoch)
        if run.checkpoints and run.model:
            run.network()
        run.refresh().close()
