"""What a build says of the model it made: one document, and a page for people made of it."""
