"""`pubsub doctor`: whether a broker's surroundings keep what the broker promises."""
