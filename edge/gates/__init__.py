"""Gate drivers: one file a mechanism, all of them on gpiozero."""
