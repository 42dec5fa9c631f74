"""`python -m helpers.handout` makes pages and decks of slides."""

from helpers.handout import main

main()
