package store

import "time"

// Kinds of material.
const (
	MaterialMasterKey = "master-key"
	MaterialPepper    = "pepper"
)

// Material names a secret that the database depends on and does not hold.
type Material struct {
	Kind    string
	ID      string
	AddedAt time.Time
}

// Actor is who did something.
type Actor struct {
	Type string
	ID   string
	Name string
}

// Age says what is old enough to be thrown away.
type Age struct {
	Minute  int64     // calls in minutes before it
	Hour    int64     // calls in the hours of days (UTC) that end before its day
	Callers time.Time // callers that were last seen before it
	Answers time.Time // answers, and tokens and sessions of jobs, that expired at or before it
	Grants  time.Time // device grants that expired at or before it
	Tries   time.Time // tries whose window began before it
	Ended   time.Time // sessions that ended or expired, and invitations that were closed or expired, before it
	Idle    time.Time // sessions that neither ended nor expire and that were last used, or else made, before it
}

// Sooner returns the earlier of two ends; zero: never.
func Sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
