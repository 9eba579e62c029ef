"""What a user would pick instead: a script each, run in an environment of its own, and the list of them.

Scripts import nothing of `edge` (but `edge_sorter.py`, which measures it): they run where it is not installed, with
this folder on their path.
"""
