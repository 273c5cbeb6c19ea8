"""The slice store: HU of every slice in shards that training reads fast. docs/slice_store.md describes its folder."""
