pytest_plugins = ["tests.stack.fixtures"]
