"""What many deletions a day, and a day without NXCloud, do to the queue: `make capacity`."""
