"""The demonstration: one description of its steps, played as text."""
