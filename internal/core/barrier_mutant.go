//go:build mutant

package core

// barrier is whether a change waits for the other replicas: here it does not.
const barrier = false
