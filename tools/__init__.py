"""Tools for those who run the system."""
