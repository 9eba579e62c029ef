"""Tools of the project's own checks; no part of what is installed."""
