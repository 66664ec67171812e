//go:build race

package core

// raced is whether the race detector watches, which takes tests that compute ten times as long.
const raced = true
