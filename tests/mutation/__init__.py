"""Mutation tests: hand-written patches (`make mutation-manual`), and cosmic-ray's mutants (`make mutation`)."""
