"""Model of verified absence: the real gateway, verification and backoff over a fake NXCloud, in virtual time."""
