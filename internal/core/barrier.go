//go:build !mutant

package core

// barrier is whether a change waits for the other replicas. The build tag "mutant" takes the wait out, so that tests can show that
// they would notice.
const barrier = true
