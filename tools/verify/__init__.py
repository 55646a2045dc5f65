"""`make verify STACK=…`: proves a deployed stack, step by step, and cleans up."""
