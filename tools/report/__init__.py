"""`make report STACK=… FROM=… TO=…`: what was requested, by whom, when, and with which outcome, from the log lines."""
