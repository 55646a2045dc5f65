"""AWS services behind the use cases: tables, queue, objects and secret."""
