"""How often unformatted HSIC training leaves one class without a neuron, over initial weights.

    python -m benchmarks.silent_class --data-dir FOLDER [--seeds 12] [--width 128]

Trains hsic-mnist-unformatted, narrower, on 25,600 images for one epoch, and reads the training error: where one class is coded by
the silence of all ten neurons, an argmax cannot name it, and about a tenth of the answers is wrong.
"""

import argparse

from neurosim.experiments.run import prepare
from neurosim.modelfile.model_file import ModelFile


def training_error(seed: int, width: int, data_dir: str) -> float:
    """Return the training error in per cent after one epoch."""
    settings = ["data.limit=25600", "stages.0.epochs=1", f"network.hidden={[width] * 6}"]
    job = prepare(ModelFile.load("hsic-mnist-unformatted", settings), seed=seed, data_dir=data_dir)
    return job.trainers[0].fit(job.data)[-1]["train"].error


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir")
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--width", type=int, default=128)
    arguments = parser.parse_args()
    errors = [training_error(seed, arguments.width, arguments.data_dir) for seed in range(arguments.seeds)]
    for seed, error in enumerate(errors):
        print(f"seed {seed}: training error {error:.1f} %")
    print(f"{sum(error > 10 for error in errors)} of {len(errors)} leave a class without a neuron")


if __name__ == "__main__":
    main()
