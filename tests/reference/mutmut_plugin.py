"""Lets mutmut 3.7 read the names of tests from pytest 9.2, which keeps them elsewhere than it looks."""

from _pytest.nodes import Node

if not hasattr(Node, "_nodeid"):
    Node._nodeid = property(lambda node: node.nodeid)  # type: ignore[attr-defined]
