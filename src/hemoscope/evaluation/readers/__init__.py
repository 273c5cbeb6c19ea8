"""What several readers say of the same scans: agreement, the truth, a model, and labels that may be wrong."""
