package store

import "time"

// UseTx is what a Tx does for tracking the use of keys. Use that waits for its rows stands in a journal, whose rows belong to whoever
// wrote them: an owner. An owner that was dropped is ErrNotFound.
type UseTx interface {
	// RecordUses moves last uses forward and adds calls up; an older use than the one recorded, or one of an unknown secret
	// or key, is passed over. Of each key the CallersMax latest callers are kept.
	RecordUses(uses []KeyUse) error
	// KeyUse sums the recorded use of a key up.
	KeyUse(keyID string, w UseWindow) (UseSum, error)
	// KeyHours returns the recorded calls of a key in each hour from the one that is given, those with calls, oldest first.
	KeyHours(keyID string, from int64) ([]HourUse, error)
	// LastUses returns when keys of an org that are not deleted were last used, by id, those above after.
	LastUses(orgID, after string, limit int) ([]LastUse, error)

	// AddUseOwner adds an owner of a journal that is empty; pastAll is above every id of a key.
	AddUseOwner(owner, pastAll string) error
	// AppendUse adds a row to the journal and returns its number, which is above all that the owner has had.
	AppendUse(owner string, entries []byte) (int64, error)
	// UseJournal returns the rows of an owner above after, the lowest first.
	UseJournal(owner string, after int64, limit int) ([]UseRow, error)
	// FoldedUse notes that of the keys above after up to upto the journal up to seq is in other rows, and removes what is so of all
	// keys. after is empty, or was upto before; seq is not below what it was there.
	FoldedUse(owner, after, upto string, seq int64) error
	// UseFolds returns what was folded, by owner and UpTo. The last of an owner is pastAll.
	UseFolds() ([]UseFold, error)
	// DropUseOwner removes an owner and its journal.
	DropUseOwner(owner string) error
}

// KeyUse is what is known of the use of a key.
type KeyUse struct {
	KeyID   string
	Secrets []SecretUse
	Minutes []MinuteUse
	Callers []CallerUse
}

// SecretUse is the last use of one version of a secret.
type SecretUse struct {
	Version       int
	At            time.Time
	AddressPrefix string
	Agent         string
}

// MinuteUse is how often a key was used in a minute, counted from 1970.
type MinuteUse struct {
	Minute int64
	Calls  int64
}

// HourUse is how often a key was used in an hour, counted from 1970.
type HourUse struct {
	Hour  int64
	Calls int64
}

// CallersMax is how many callers of a key are kept.
const CallersMax = 20

// CallerUse is the last use of a key by one caller.
type CallerUse struct {
	AddressPrefix string
	Agent         string
	At            time.Time
}

// LastUse is when any secret of a key was last used; a zero At: never.
type LastUse struct {
	KeyID string
	At    time.Time
}

// UseRow is a row of the journal of use. What its entries are is the domain's.
type UseRow struct {
	Seq     int64
	Entries []byte
}

// UseFold says of the keys above the UpTo before, of the same owner, up to this one: rows of the journal up to Seq are folded.
type UseFold struct {
	Owner string
	UpTo  string
	Seq   int64
}

// UseWindow says how far back use is summed up.
type UseWindow struct {
	Hour, Day int64     // the first minutes of them
	Since     time.Time // the first moment that callers count from
}

// UseSum is the use of a key in a window.
type UseSum struct {
	Hour, Day int64       // calls
	Callers   []CallerUse // latest first
}
