"""A local AWS, the fake NXCloud, and the deployed template, for the demo, the tests and `sam local invoke`."""
