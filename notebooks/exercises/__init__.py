"""The checkers of the exercises, one file for each lesson."""
