"""Triggers: parses every envelope, runs requests concurrently, answers SQS, S3 Batch Operations and callers."""
