"""Simulates the capacity of the deletion queue: `make capacity`."""
