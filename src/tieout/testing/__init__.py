"""
What ships for testing: fakes of the vendors' servers, a simulator, and the conformance kit.

The fakes are stateful, the simulator plays whole syncs, and the kit holds a connector to
its contract.
"""
