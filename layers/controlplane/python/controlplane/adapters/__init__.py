"""Implementations of the ports: the only code that talks to AWS and to the cluster."""
