"""What the bytes of an image file say before any pixel is decoded: one module per file format."""
