"""One logger per function; the service name comes from the deployment.

Log lines carry tenant, project and correlation id; never tokens, keys or payloads.
"""

from aws_lambda_powertools import Logger

logger = Logger()
