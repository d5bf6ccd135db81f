#!/usr/bin/env bash
# On a machine with a GPU: its tests, then its benchmarks, whose numbers go to the folder given (default: benchmarks/results).
#   bash benchmarks/gpu.sh [FOLDER]        needs: pip install -e ".[test,cuda12]" (or cuda13), and torch to compare with
set -euo pipefail
cd "$(dirname "$0")/.."
results=${1:-benchmarks/results}
mkdir -p "$results"
device=$(nvidia-smi --query-gpu=name --format=csv,noheader | head -1 | tr ' ' '-')

python -m pytest -q -m gpu tests
python -m benchmarks.gpu_circuits --out "$results/gpu-circuits-$device-$(date +%F).json"
python -m benchmarks.gpu --out "$results/gpu-$device-$(date +%F).json"
