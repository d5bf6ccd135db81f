"""What is made of runs: alignment with back-propagation, reports, other formats."""

import logging

for name in ("matplotlib", "matplotlib.font_manager"):  # a cache that cannot be written on a full disk is not the user's concern
    logging.getLogger(name).addFilter(lambda record: "cache" not in record.getMessage())
