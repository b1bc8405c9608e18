"""A training: from its start, or its newest checkpoint, to its score; and all who watch it."""
