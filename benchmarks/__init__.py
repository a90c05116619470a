"""Speed, memory and accuracy, measured against named peers: ``python -m benchmarks streaming``."""
