"""Model files, the engine that runs them, and the comparison of schemes on one network."""
