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
    packages=find_packages(include=["neurosim", "neurosim.*"]),
    python_requires=">=3.11,<3.14",
    install_requires=[
        "brian2>=2.9",
        "numba>=0.61",
        "numpy>=1.26,<2.4; python_version < '3.12'",
        "numpy>=1.26; python_version >= '3.12'",
        "platformdirs>=4",
        "scikit-learn>=1.4",
        "scipy>=1.11",
        "sympy>=1.12",
    ],
    extras_require={
        "test": ["pytest>=8", "hypothesis>=6.100", "ruff>=0.8", "mypy>=1.13"],
        "cuda12": ["cupy-cuda12x>=13"],
        "cuda13": ["cupy-cuda13x>=13"],
    },
)
