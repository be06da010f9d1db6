"""The broker's live screen, and the broker beside it in a thread of its own."""
