"""Records side by side: the table, the store, the gate."""
