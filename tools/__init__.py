"""Command-line tools for operating a deployed stack."""
