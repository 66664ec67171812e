package store

import "time"

// EventFilter asks for a page of events, newest first, or oldest first with Ascending. Of Key, ActorID, ActorName, Type and
// Subject an empty one is any.
type EventFilter struct {
	After     string // the last id of the page before; empty: from the start
	Limit     int
	Ascending bool

	KeyID     string
	ActorID   string
	ActorName string
	Type      string
	Subject   string    // what stands before the dot of the type
	Since     time.Time // zero: any
}

// Event is one thing that happened.
type Event struct {
	ID    string
	At    time.Time
	Type  string
	OrgID string // empty: no org is concerned
	KeyID string // empty: no key is concerned
	Actor Actor
	Data  map[string]string
}
