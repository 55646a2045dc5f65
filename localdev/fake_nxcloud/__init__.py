"""A fake of NXCloud's media API: an HTTP server on loopback that verifies signatures and injects faults on request."""

from localdev.fake_nxcloud.faults import Fault
from localdev.fake_nxcloud.provider import THROTTLING, Account, Call, Provider, RateLimit
from localdev.fake_nxcloud.server import FakeNxCloud

__all__ = ["THROTTLING", "Account", "Call", "FakeNxCloud", "Fault", "Provider", "RateLimit"]
