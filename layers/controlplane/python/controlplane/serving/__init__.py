"""Deployments, their revisions, and the rollouts that move a deployment from one revision to the next."""
