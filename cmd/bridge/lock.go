package main

// A heldError says that another process has locked a file.
type heldError struct{ by string }

func (e *heldError) Error() string { return "in use" + e.by }
