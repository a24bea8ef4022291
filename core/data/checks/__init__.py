"""One file per family of checks."""
