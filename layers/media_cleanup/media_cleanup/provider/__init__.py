"""NXCloud behind the use cases: calls with recovery, classification of failures, verified absence."""
