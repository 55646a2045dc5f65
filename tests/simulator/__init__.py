"""NXCloud's media API on loopback: a real HTTP server that checks real signatures, and misbehaves when told to."""

from tests.simulator.faults import Fault
from tests.simulator.provider import Call, Provider
from tests.simulator.server import Simulator

__all__ = ["Call", "Fault", "Provider", "Simulator"]
