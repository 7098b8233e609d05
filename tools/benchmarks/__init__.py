"""One module for each WHAT of tools/benchmark.py, and what they share."""
