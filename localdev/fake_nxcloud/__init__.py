"""NXCloud's media API on loopback: a real HTTP server that checks real signatures, and misbehaves when told to."""

from localdev.fake_nxcloud.faults import Fault
from localdev.fake_nxcloud.provider import Call, Provider
from localdev.fake_nxcloud.server import FakeNxCloud

__all__ = ["Call", "FakeNxCloud", "Fault", "Provider"]
