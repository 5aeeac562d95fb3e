"""What a model said -> what it counts as: free text, letters, ages, units, log-probabilities."""
