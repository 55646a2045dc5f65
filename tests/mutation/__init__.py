"""Mutation testing of the pure decisions, by cosmic-ray: `make mutants`."""
