"""What a Lambda function needs around the domain: settings, observability, HTTP and wiring."""
