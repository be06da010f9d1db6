"""Where accounts, topics, messages and cursors are kept."""
