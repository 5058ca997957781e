"""What ships for testing: stateful fakes of the vendors' servers."""
