"""The subscriber's screen."""
