"""Pure decisions: no network, no AWS."""
