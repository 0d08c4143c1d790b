"""Projects: the folders in which a tenant keeps models, deployments and runs."""
