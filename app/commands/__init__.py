"""What the commands without a screen do, one file each."""
