"""`pubsub top`: what a running broker is doing, from its /stats."""
