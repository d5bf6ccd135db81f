"""``python -m benchmarks``: see ``benchmarks.schemes``, which a process of its own has to be able to import by name."""

from benchmarks.schemes import main

main()
