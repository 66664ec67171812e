//go:build race

package core_test

// underRace: sync.Pool forgets at random, so that what it saves is not to be counted.
const underRace = true
