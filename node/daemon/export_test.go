package daemon

// OnRotationStep sets what is told of every step of a change of the data key.
func OnRotationStep(f func(string)) { rotationStep = f }
