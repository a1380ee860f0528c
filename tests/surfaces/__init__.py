"""What is asked of all three surfaces: the places, the ways of asking, and the cases by area."""
