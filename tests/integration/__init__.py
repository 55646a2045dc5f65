"""Our code with real neighbours: the simulator over HTTP, moto for AWS."""
