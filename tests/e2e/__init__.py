"""The built and deployed system: local cloud, emulator, Docker."""
