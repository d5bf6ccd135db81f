"""What a run keeps as it goes: metrics, chosen variables, alignment with back-propagation, checkpoints; how is ``runfile``."""
