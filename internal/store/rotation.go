package store

import "time"

// Rotation is how one secret of a key takes the place of another.
type Rotation struct {
	ID         string
	OrgID      string
	KeyID      string
	State      string
	Revision   int64    // starts at 1
	Run        [32]byte // a digest of the run that opened or last joined it; zero: none
	Emergency  bool     // the old secret was cut first
	OldVersion int      // of the key's secret
	NewVersion int      // likewise
	Sealed     []byte   // the new secret; nil once it is promoted or taken back
	Sinks      []Sink   // in the order in which they were named
	OpenedBy   Actor
	OpenedAt   time.Time
	UpdatedAt  time.Time
	DueAt      time.Time // when the service takes the next step by itself; zero: never
	PromotedAt time.Time
	RetireAt   time.Time     // when the old secret ends
	OnUse      string        // what becomes of an old secret that is still used then
	EndedAt    time.Time     // retired or cancelled
	Quiet      time.Duration // whole seconds without use after which the old secret is retired early; 0: none
	Grace      time.Duration // whole seconds, of one that is armed
	ArmedAt    time.Time     // since when it waits for the new secret's first use; zero: it does not
}

// Sink is a place that a rotation delivers to, and its receipt.
type Sink struct {
	Name        string    `json:"name"`
	DeliveredAt time.Time `json:"delivered_at"` // zero: not yet
	Checked     bool      `json:"checked"`      // what lies there was read back and compared
}

// StateRetired is the state of a secret that opens nothing any more.
const StateRetired = "retired"

// RotationTx is the part of a Tx that rotations need.
type RotationTx interface {
	// AddRotation adds a rotation. ErrExists: one of the key is neither promoted nor ended.
	AddRotation(r Rotation) error
	// UpdateRotation writes all but what it was opened with and counts the revision up, if the revision is still r.Revision; else
	// ErrConflict.
	UpdateRotation(r Rotation) error
	Rotation(keyID, id string) (Rotation, error)
	// OpenRotation returns the one of the key that is neither promoted nor ended.
	OpenRotation(keyID string) (Rotation, error)
	// RotationOfRun returns the key's newest rotation of a run.
	RotationOfRun(keyID string, run [32]byte) (Rotation, error)
	// Rotations returns the newest of the key, newest first.
	Rotations(keyID string, limit int) ([]Rotation, error)
	// DueRotations returns those of all keys that are due at now, the longest due first.
	DueRotations(now time.Time, limit int) ([]Rotation, error)

	// AddSecret adds a further secret to a key.
	AddSecret(s NewSecret) error
	// ChangeSecret writes state and expiry, if the state is still from; else ErrConflict.
	ChangeSecret(s Secret, from string) error
	// RetireSecret takes a secret from its key and keeps its digest and what may be shown of it. ErrNotFound: the key has none
	// of the version.
	RetireSecret(keyID string, version int, at time.Time) error
	// RetiredByDigest returns the key, deleted or not, that a retired secret was of, and what was kept of it; it expired when it
	// was retired.
	RetiredByDigest(digest [32]byte) (Holder, Secret, error)
	// LastVersion returns the greatest version that the key ever had.
	LastVersion(keyID string) (int, error)
}
