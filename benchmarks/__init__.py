"""Benchmarks of speed and cost, compared with a typical function of the same features: `make bench`."""
