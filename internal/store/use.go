package store

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
