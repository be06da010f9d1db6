"""What the publisher's and the subscriber's screens have in common."""
