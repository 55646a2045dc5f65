"""The project's tests; README.md describes how they are arranged."""
