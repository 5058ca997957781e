"""What should happen, worked out from what two systems say: pure functions, one module a flow."""
