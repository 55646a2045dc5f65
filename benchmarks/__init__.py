"""How fast and how cheap it is, side by side with a usual function of the same features: `make bench`."""
