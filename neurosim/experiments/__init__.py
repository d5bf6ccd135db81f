"""The engine that runs a model file, the comparison of schemes on one network, and what either would take."""
