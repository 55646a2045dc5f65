"""Generated histories of objects and their events, with both functions interleaved at each of their calls."""
