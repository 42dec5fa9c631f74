"""The small module behind the notebooks: what would distract from a lesson stands here."""
