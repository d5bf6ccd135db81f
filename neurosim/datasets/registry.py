"""Every data set that has a name, as data: sizes, files, checksums, licence, citation, normalisation.

This is the single source; ``data/README.md`` says the same for readers, and a test compares the two.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from neurosim.errors import UnknownNameError

NO_CHECKSUM = "not recorded"


@dataclass(frozen=True)
class Entry:
    """One named data set.

    Attributes
    ----------
    shape : of one image, (channels, height, width); of one sample that is none, (n_features,)
    classes : how many; 0 where targets are real, of ``target_shape``
    train, test : images in each split as published
    files : per format (see ``folder.FORMATS``), the files that hold the data set, training files first
    folders : names that a folder of it has in the wild, beside its own (torchvision's ``FashionMNIST``)
    md5 : of files, **uncompressed** (a gzip's own checksum changes with the compressor); others are not recorded
    openml : (name, version) there, or None when the data set needs no download
    mean, std : per channel or one for all; None means: computed from the training split
    normalisation : where ``mean`` and ``std`` come from
    bytes_a_value : what each value of its samples takes, at most, while they are loaded
    """

    name: str
    title: str
    shape: tuple[int, ...]
    classes: int
    train: int
    test: int
    source: str
    licence: str
    citation: str
    normalisation: str
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    openml: tuple[str, int] | None = None
    files: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    folders: tuple[str, ...] = ()
    md5: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    target_shape: tuple[int, ...] = ()
    bytes_a_value: int = 6  # a byte as stored, 4 as float32, and one that says whether it is finite

    @property
    def values(self) -> int:
        """The most values its arrays hold together: all images, and labels that may be one-hot, or real targets."""
        return (self.train + self.test) * (math.prod(self.shape) + (self.classes or math.prod(self.target_shape)))

    def checksum(self, file: str) -> str:
        """Return the md5 of the uncompressed ``file``, or ``"not recorded"``."""
        return self.md5.get(file, NO_CHECKSUM)


IDX_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
CIFAR_BATCHES = (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch")

DIGITS = Entry(
    name="digits",
    title="Optical recognition of handwritten digits (the test set of the UCI collection)",
    shape=(1, 8, 8),
    classes=10,
    train=1297,
    test=500,
    source="bundled with scikit-learn (sklearn.datasets.load_digits); UCI Machine Learning Repository",
    licence="CC BY 4.0 (UCI Machine Learning Repository)",
    citation="E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits. UCI Machine Learning Repository, 1998",
    normalisation="computed from the training split",
)

DIABETES = Entry(
    name="diabetes",
    title="Diabetes progression: ten measurements of patients, and one real target",
    shape=(10,),
    classes=0,
    target_shape=(1,),
    train=342,
    test=100,
    source="bundled with scikit-learn (sklearn.datasets.load_diabetes); https://www4.stat.ncsu.edu/~boos/var.select/diabetes.html",
    licence="none stated by its authors",
    citation="B. Efron, T. Hastie, I. Johnstone, R. Tibshirani: Least angle regression. Annals of Statistics 32, 2004",
    normalisation="features and target are standardised by the training samples as they are loaded",
)

MNIST = Entry(
    name="mnist",
    title="MNIST handwritten digits",
    shape=(1, 28, 28),
    classes=10,
    train=60_000,
    test=10_000,
    source="http://yann.lecun.com/exdb/mnist/",
    licence="CC BY-SA 3.0, as Keras' documentation states it",
    citation="Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-based learning applied to document recognition. "
    "Proceedings of the IEEE 86, 1998",
    normalisation="Choromanska et al. 2019 and Nokland & Eidnes 2019, released code",
    mean=(0.1307,),
    std=(0.3081,),
    openml=("mnist_784", 1),
    files={"idx": IDX_FILES, "npz": ("mnist.npz",)},
    folders=("MNIST",),
    md5={
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    },
)

FASHION_MNIST = Entry(
    name="fashion-mnist",
    title="Fashion-MNIST: articles of clothing",
    shape=(1, 28, 28),
    classes=10,
    train=60_000,
    test=10_000,
    source="https://github.com/zalandoresearch/fashion-mnist",
    licence="MIT",
    citation="H. Xiao, K. Rasul, R. Vollgraf: Fashion-MNIST: a novel image dataset for benchmarking machine learning "
    "algorithms. arXiv 1708.07747, 2017",
    normalisation="Nokland & Eidnes 2019, released code",
    mean=(0.286,),
    std=(0.353,),
    openml=("Fashion-MNIST", 1),
    files={"idx": IDX_FILES, "npz": ("fashion-mnist.npz",)},
    folders=("FashionMNIST",),
)

KUZUSHIJI_MNIST = Entry(
    name="kuzushiji-mnist",
    title="Kuzushiji-MNIST: cursive Japanese characters",
    shape=(1, 28, 28),
    classes=10,
    train=60_000,
    test=10_000,
    source="http://codh.rois.ac.jp/kmnist/",
    licence="CC BY-SA 4.0",
    citation="T. Clanuwat et al.: Deep learning for classical Japanese literature. arXiv 1812.01718, 2018",
    normalisation="Nokland & Eidnes 2019, released code",
    mean=(0.1904,),
    std=(0.3475,),
    openml=("Kuzushiji-MNIST", 1),
    files={"idx": IDX_FILES, "npz": ("kuzushiji-mnist.npz",)},
    folders=("KMNIST",),
)

CIFAR_10 = Entry(
    name="cifar-10",
    title="CIFAR-10: small colour photographs",
    shape=(3, 32, 32),
    classes=10,
    train=50_000,
    test=10_000,
    source="https://www.cs.toronto.edu/~kriz/cifar.html",
    licence="none stated by its authors",
    citation="A. Krizhevsky: Learning multiple layers of features from tiny images. University of Toronto, 2009",
    # Nokland & Eidnes use (0.424, 0.415, 0.384) and (0.283, 0.278, 0.284): give those as normalise=(mean, std).
    normalisation="Choromanska et al. 2019, released code",
    mean=(0.4914, 0.4822, 0.4465),
    std=(0.2023, 0.1994, 0.2010),
    openml=("CIFAR_10", 1),
    files={
        "cifar-python": tuple(f"cifar-10-batches-py/{batch}" for batch in CIFAR_BATCHES),
        "cifar-binary": tuple(f"cifar-10-batches-bin/{batch}.bin" for batch in CIFAR_BATCHES),
        "npz": ("cifar-10.npz",),
    },
    folders=("CIFAR10",),
    # as torchvision's datasets/cifar.py records them
    md5={
        "cifar-10-batches-py/data_batch_1": "c99cafc152244af753f735de768cd75f",
        "cifar-10-batches-py/data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "cifar-10-batches-py/data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "cifar-10-batches-py/data_batch_4": "634d18415352ddfa80567beed471001a",
        "cifar-10-batches-py/data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "cifar-10-batches-py/test_batch": "40351d587109b95175f43aff81a1287e",
    },
)

REGISTRY: Mapping[str, Entry] = MappingProxyType(
    {entry.name: entry for entry in (DIGITS, MNIST, FASHION_MNIST, KUZUSHIJI_MNIST, CIFAR_10, DIABETES)}
)


def names() -> tuple[str, ...]:
    """Return the names that ``load`` takes: labelled images, smallest data set first, then real targets."""
    return tuple(REGISTRY)


def find(name: str) -> Entry:
    """Return the entry called ``name``.

    Raises
    ------
    UnknownNameError
        No data set has that name; the message lists those that exist.
    """
    if name not in REGISTRY:
        raise UnknownNameError("data set", name, REGISTRY)
    return REGISTRY[name]
