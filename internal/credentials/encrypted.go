package credentials

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"filippo.io/age"
)

const (
	// workFactor is scrypt's cost as a power of two: 2^16 takes 64 MiB and a quarter of a second on a small machine, for
	// the person at each command and for each guess of whoever copies the file.
	workFactor = 16
	// maxWorkFactor is the most that a file may ask for: what the age program itself takes, 256 MiB and a second. A file
	// that asks for more is made to hurt.
	maxWorkFactor = 18
	maxSealed     = maxRead + 1024 // bytes; age's header and tags take some 200
)

// encryptedPlace is a file in the format of age (age-encryption.org/v1) with an scrypt passphrase, which the program age
// opens, too.
type encryptedPlace struct {
	files      filePlace
	passphrase func(ctx context.Context, purpose string, confirm bool) (string, error)
	workFactor int

	turn chan struct{} // holds one token, which owns what follows: no two questions at a time
	// known is the file that was opened or written last, and what it holds: nobody is asked twice for the same file.
	known struct {
		sealed []byte
		value  string
	}
}

func newEncryptedPlace(cfg Config) *encryptedPlace {
	return &encryptedPlace{
		files:      contextFile(cfg.Dir, KindEncrypted, ".age", maxSealed),
		passphrase: cfg.Passphrase,
		workFactor: workFactor,
		turn:       make(chan struct{}, 1),
	}
}

func (p *encryptedPlace) source(ref Ref) Source { return p.files.source(ref) }

func (p *encryptedPlace) check(ref Ref) error { return p.files.check(ref) }

func (p *encryptedPlace) remove(ctx context.Context, ref Ref) (bool, error) {
	return p.files.remove(ctx, ref)
}

func (p *encryptedPlace) get(ctx context.Context, ref Ref) (string, error) {
	leave, err := p.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	sealed, err := p.files.read(ref, p.files.path(ref))
	if err != nil {
		return "", err
	}
	if p.known.sealed != nil && bytes.Equal(sealed, p.known.sealed) {
		return p.known.value, nil
	}
	value, err := p.open(ref, sealed, func() (string, error) { return p.ask(ctx, ref, false) })
	if err != nil {
		return "", err
	}
	p.known.sealed, p.known.value = sealed, value
	return value, nil
}

// put opens what it sealed before it lets the file take the place of the old one.
func (p *encryptedPlace) put(ctx context.Context, ref Ref, value string) error {
	leave, err := p.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if err := p.files.prepare(ref); err != nil {
		return err
	}
	passphrase, err := p.ask(ctx, ref, true)
	if err != nil {
		return err
	}
	sealed, err := seal(passphrase, value, p.workFactor)
	if err != nil {
		return err
	}
	got, err := p.open(ref, sealed, func() (string, error) { return passphrase, nil })
	if err != nil || got != value {
		return notStored(ref, p.source(ref), err)
	}
	if err := p.files.replace(ref, sealed); err != nil {
		return err
	}
	p.known.sealed, p.known.value = sealed, value
	return nil
}

func (p *encryptedPlace) enter(ctx context.Context) (leave func(), err error) {
	select {
	case p.turn <- struct{}{}:
		return func() { <-p.turn }, nil
	case <-ctx.Done():
		return nil, cancelled(ctx, KindEncrypted)
	}
}

func (p *encryptedPlace) ask(ctx context.Context, ref Ref, confirm bool) (string, error) {
	if p.passphrase == nil {
		return "", &Error{
			Place:  KindEncrypted,
			Reason: fmt.Sprintf("%s needs its passphrase, and nobody can be asked", p.source(ref)),
			Hint:   "set " + passphraseVariable + ", or " + tokenVariable,
		}
	}
	passphrase, err := p.passphrase(ctx, fmt.Sprintf("for the session of context %q at %s", ref.Context, ref.Origin), confirm)
	if err == nil && passphrase == "" {
		return "", &Error{
			Place:  KindEncrypted,
			Reason: fmt.Sprintf("the passphrase of %s is empty", p.files.path(ref)),
			Hint:   "type one, or set " + passphraseVariable,
		}
	}
	return passphrase, err
}

// seal encrypts a value with a passphrase that is not empty.
func seal(passphrase, value string, factor int) ([]byte, error) {
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, fmt.Errorf("encrypt the session: %w", err)
	}
	recipient.SetWorkFactor(factor)
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, recipient)
	if err == nil {
		_, err = io.WriteString(w, value)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("encrypt the session: %w", err)
	}
	return sealed.Bytes(), nil
}

// open decrypts a file, and asks for the passphrase only when the file is one that a passphrase can open. What age says of a
// bad file goes nowhere: it quotes the file.
func (p *encryptedPlace) open(ref Ref, sealed []byte, passphrase func() (string, error)) (string, error) {
	if len(sealed) > maxSealed {
		return "", unusable(ref, p.source(ref), errForeign)
	}
	lock := &scryptLock{passphrase: passphrase}
	r, err := age.Decrypt(bytes.NewReader(sealed), lock)
	switch {
	case errors.Is(lock.refused, errWrongPassphrase):
		return "", &Error{
			Place:  KindEncrypted,
			Reason: fmt.Sprintf("the passphrase does not open the file %s", p.files.path(ref)),
			Hint:   "try again with the right one; if it is lost, " + signIn(ref) + ", which writes a new file",
		}
	case errors.Is(lock.refused, errForeign), errors.Is(lock.refused, errTooMuchWork):
		return "", unusable(ref, p.source(ref), lock.refused)
	case lock.refused != nil: // what the asking said
		return "", lock.refused
	case err != nil && !lock.opened:
		return "", unusable(ref, p.source(ref), errForeign)
	case err != nil:
		return "", unusable(ref, p.source(ref), errDamaged)
	}
	value, err := io.ReadAll(io.LimitReader(r, maxRead+1)) // one more, so that decode sees that it is too long
	if err != nil {
		return "", unusable(ref, p.source(ref), errDamaged)
	}
	return string(value), nil
}

var (
	errWrongPassphrase = errors.New("the passphrase is wrong")
	errTooMuchWork     = errors.New("it asks for more work than any passphrase is worth")
	errDamaged         = errors.New("it is damaged")
)

// scryptLock is what a passphrase opens. It looks at the file's header before it asks.
type scryptLock struct {
	passphrase func() (string, error)
	opened     bool
	refused    error // why Unwrap failed, if it did
}

// Unwrap implements age.Identity.
func (l *scryptLock) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	key, err := l.unwrap(stanzas)
	l.opened, l.refused = err == nil, err
	return key, err
}

func (l *scryptLock) unwrap(stanzas []*age.Stanza) ([]byte, error) {
	if len(stanzas) != 1 || stanzas[0].Type != "scrypt" || len(stanzas[0].Args) != 2 {
		return nil, errForeign
	}
	factor, err := strconv.Atoi(stanzas[0].Args[1])
	if err != nil {
		return nil, errForeign
	}
	if factor > maxWorkFactor {
		return nil, errTooMuchWork
	}
	passphrase, err := l.passphrase()
	if err != nil {
		return nil, err
	}
	identity, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, err
	}
	identity.SetMaxWorkFactor(maxWorkFactor)
	key, err := identity.Unwrap(stanzas)
	if errors.Is(err, age.ErrIncorrectIdentity) {
		return nil, errWrongPassphrase
	}
	if err != nil {
		return nil, errForeign
	}
	return key, nil
}
