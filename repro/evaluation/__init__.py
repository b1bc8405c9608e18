"""Playing for scores, while training and after, and proving that they were played."""
