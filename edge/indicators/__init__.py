"""Indicators: what tells people how the sorter is; one file a kind."""
