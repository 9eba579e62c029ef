"""What keeps the sorter alive unattended, and lets others see how it does: files and datagrams, never a network."""
