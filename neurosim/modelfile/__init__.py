"""Model files: what they may hold, what is made of them, and a trainer made in Python as the file that would make it again."""
