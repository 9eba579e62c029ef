"""`edge-sorter bench`: what the loop costs, beside the bare inference in the same run."""
