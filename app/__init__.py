"""What a person starts: the `pubsub` command and its screens."""
