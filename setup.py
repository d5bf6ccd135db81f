"""Package metadata."""

from pathlib import Path

from setuptools import find_packages, setup

setup(
    name="neurosim",
    version="0.1.0.dev0",
    description="Which learning rule could a cortex use? Credit-assignment schemes as local plasticity, against backprop",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="BSD-3-Clause",
    author="The neurosim authors",
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Environment :: Console",
        "Environment :: GPU :: NVIDIA CUDA",
        "Intended Audience :: Science/Research",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Bio-Informatics",
    ],
    keywords=["computational neuroscience", "synaptic plasticity", "credit assignment", "biologically plausible learning"],
    packages=[*find_packages(include=["neurosim", "neurosim.*"]), "neurosim.models"],
    package_dir={"neurosim.models": "models"},  # data only: the model files, installed within the package
    package_data={"neurosim.models": ["*.toml"]},
    entry_points={"console_scripts": ["neurosim = neurosim.cli:main"]},
    python_requires=">=3.11,<3.14",
    install_requires=[
        "brian2>=2.9",
        "h5py>=3.11",
        "llvmlite>=0.45",
        "numpy>=1.26,<2.4; python_version < '3.12'",
        "numpy>=1.26; python_version >= '3.12'",
        "platformdirs>=4",
        "psutil>=5.9",
        "pydantic>=2.9",
        "rich>=13.7",
        "scikit-learn>=1.4",
        "scipy>=1.11",
        "sympy>=1.12",
        "threadpoolctl>=3.1",
        "tomli-w>=1.0",
        "typer>=0.12",
    ],
    extras_require={
        "test": ["nvidia-cuda-nvrtc-cu12>=12.4; platform_system == 'Linux'", "autograd>=1.7", "hypothesis>=6.100", "mypy>=1.13", "pytest>=8", "ruff>=0.8"],
        "docs": ["furo>=2024.8", "myst-parser>=4", "sphinx>=8"],
        "cuda12": ["cupy-cuda12x>=13"],
        "cuda13": ["cupy-cuda13x>=13"],
    },
)
