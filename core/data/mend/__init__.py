"""Mending: fixes that write a new file and leave the source as it is."""
