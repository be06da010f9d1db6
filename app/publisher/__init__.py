"""The publisher's screen."""
