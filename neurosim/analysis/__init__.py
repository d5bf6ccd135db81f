"""What is made of runs: alignment with back-propagation, reports, other formats."""
