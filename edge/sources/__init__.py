"""Frame sources: one file a kind, in one of two shells: `replay` (finite, exact) and `live` (freshest frame)."""
