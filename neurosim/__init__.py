"""neurosim: which learning rule could a cortex use, and what would it cost in accuracy?"""
