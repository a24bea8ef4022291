"""Data sets from one format into another, with every loss said."""
