"""The project's tests; README.md tells how they are arranged."""
