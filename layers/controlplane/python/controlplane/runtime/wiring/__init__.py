"""Chooses the adapter behind each port, once per Lambda container: one module a capability.

Adapters are imported inside the factories, so a function pays only for what it uses.
"""
