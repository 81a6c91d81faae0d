"""The files of a run that it resumes from: written whole, identified, preempted."""
