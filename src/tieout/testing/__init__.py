"""
What ships for testing: stateful fakes of the vendors' servers, a simulator of whole syncs,
and the kit that holds a connector to its contract.
"""
