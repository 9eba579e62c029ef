"""What the machine below the program says of itself: the board, its gauges, its GPIO chips and video devices."""
