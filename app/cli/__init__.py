"""What is typed: the options of each command, and what says so in the environment."""
