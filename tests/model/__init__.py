"""Generated histories of objects and their events, with all functions interleaved at each of their calls."""
