"""The published systems and our own as PyTorch modules: one file a paper, what they share beside them."""
