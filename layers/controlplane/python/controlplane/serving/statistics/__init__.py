"""How a canary is judged: pure functions from counts to verdicts, with what a verdict rests on as small data."""
