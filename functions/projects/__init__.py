"""Entry points of the projects."""
