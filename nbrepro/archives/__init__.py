"""Archives that may come from anywhere: how they are read safely, and what one of a run holds."""
