"""The code with real neighbours: the fake NXCloud over HTTP, moto for AWS."""
