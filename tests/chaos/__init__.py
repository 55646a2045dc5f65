"""Chaos tests: many deletions of every kind, while faults are injected into NXCloud, AWS and the functions."""
