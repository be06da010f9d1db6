"""`pubsub broker --workers N`: several brokers on one port and one store."""
