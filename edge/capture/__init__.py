"""A bounded store of pictures that are worth a label: what the sorter was unsure of, and what it saw at a fault."""
