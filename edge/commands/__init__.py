"""The commands of `edge-sorter`, one sub-command a file."""
