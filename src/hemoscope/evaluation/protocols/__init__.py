"""The papers' protocols: their tables in their own layout, what they print beside what was measured here."""
