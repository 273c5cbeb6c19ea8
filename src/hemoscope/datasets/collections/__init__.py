"""One file a collection. A new one is a module here that defines COLLECTION, and a page in docs/datasets."""
