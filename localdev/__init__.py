"""A local AWS, the provider's simulator, and the deployed template, for the demo, the tests and `sam local invoke`."""
