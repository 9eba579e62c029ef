"""`edge-sorter doctor`: what is wrong with this machine, and how to mend it. It looks, and moves nothing."""
