package core

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

// OpenRotation opens a rotation of a key, with a new secret, or joins the one that is open, and hands out its secret; each time is
// an event. A run that has finished one before gets that one, without the secret.
//
// CodeRotationOpen: somebody else has one open, or too many old secrets are still retiring. CodeKeyNotEnabled: the new secret of
// such a key could not be proven.
func (s *Service) OpenRotation(ctx context.Context, p Principal, org, ref string, in NewRotation, from Origin) (Opened, error) {
	in, err := normalNewRotation(in)
	if err != nil {
		return Opened{}, err
	}
	release, err := s.usage.hold(ctx)
	if err != nil {
		return Opened{}, fmt.Errorf("open a rotation: %w", err)
	}
	defer release()
	var (
		r   *rotating
		out Opened
	)
	err = s.update(ctx, func(tx store.Tx) (err error) {
		if r, err = s.rotate(tx, p, org, ref, from, api.KeysRotate); err != nil {
			return err
		}
		if err := r.settleKey(); err != nil {
			return err
		}
		out, err = r.open(p, in)
		return err
	})
	if err != nil {
		return Opened{}, fmt.Errorf("open a rotation: %w", err)
	}
	out.Rotation, out.Key = rotationOf(r.row), s.key(r.key, r.now)
	return out, nil
}

func normalNewRotation(in NewRotation) (NewRotation, error) {
	if err := checkIdempotency(in.Run); err != nil {
		return in, err
	}
	if len(in.Sinks) > api.RotationSinksMax {
		return in, invalidf("there are %d sinks: at most %d", len(in.Sinks), api.RotationSinksMax)
	}
	sinks := make([]string, len(in.Sinks))
	for i, name := range in.Sinks {
		n, err := normalSink(name)
		if err != nil {
			return in, err
		}
		if slices.Contains(sinks, n) {
			return in, invalidf("the sink %s is there twice", shown(n))
		}
		sinks[i] = n
	}
	in.Sinks = sinks
	return in, nil
}

func normalSink(name string) (string, error) {
	return normalText("the name of the sink", name, 1, sinkMax)
}

func (r *rotating) open(p Principal, in NewRotation) (Opened, error) {
	runs, err := r.runsOf(p, in.Run)
	if err != nil {
		return Opened{}, err
	}
	run := runs[0]
	row, err := r.known(runs, in.Emergency)
	switch {
	case errors.Is(err, store.ErrNotFound):
		sec, err := r.mint(in, run)
		return Opened{Secret: sec}, err
	case err != nil:
		return Opened{}, err
	}
	r.row = row
	if !r.unpromoted() {
		return Opened{Joined: true}, nil
	}
	if row.OpenedBy.ID != p.User.ID {
		return Opened{}, refusef(api.CodeRotationOpen, "ask them to finish it or take it back: keyfob keys rotate KEY --abort",
			"%s has had a rotation of the key %s open since %s", shown(row.OpenedBy.Name), shown(r.key.Name), row.OpenedAt.Format(time.RFC3339))
	}
	sec, err := r.join(in, run)
	return Opened{Secret: sec, Joined: true}, err
}

// mint adds the new secret and the rotation.
func (r *rotating) mint(in NewRotation, run [32]byte) (secret.Secret, error) {
	old, err := r.checkKey()
	if err != nil {
		return secret.Secret{}, err
	}
	last, err := r.tx.LastVersion(r.key.ID)
	if err != nil {
		return secret.Secret{}, err
	}
	id, err := newID(rotationPrefix)
	if err != nil {
		return secret.Secret{}, err
	}
	r.row = store.Rotation{
		ID: id, OrgID: r.org.ID, KeyID: r.key.ID, State: string(api.RotationMinted), Revision: 1, Run: run,
		OldVersion: old.Version, NewVersion: last + 1, OpenedBy: r.by.row(), OpenedAt: r.now, UpdatedAt: r.now, DueAt: r.now.Add(rotationKept),
	}
	sec := secret.New(secret.Key)
	if err := r.seal(sec, old.Sealed && r.org.Recoverable); err != nil {
		return secret.Secret{}, err
	}
	r.want(in.Sinks)
	if err := r.tx.AddRotation(r.row); err != nil {
		return secret.Secret{}, err
	}
	if err := r.tell("opened", "hint", sec.Hint(), "emergency", yes(in.Emergency)); err != nil {
		return secret.Secret{}, err
	}
	return sec, r.cutFirst(in.Emergency)
}

// checkKey refuses a key that can't be rotated now, and returns its current secret.
func (r *rotating) checkKey() (store.Secret, error) {
	if status := statusOf(r.key, r.now); status != api.StatusEnabled {
		return store.Secret{}, refusef(api.CodeKeyNotEnabled, "enable the key, or move its expiry, and rotate it then",
			"the key %s is %s: nobody could prove that a new secret works", shown(r.key.Name), status)
	}
	retiring := 0
	var current store.Secret
	for _, v := range r.key.Secrets {
		switch v.State {
		case store.StateCurrent:
			current = v
		case store.StateRetiring:
			retiring++
		}
	}
	if retiring >= retiringMax {
		return current, refusef(api.CodeRotationOpen, "retire old ones: keyfob keys rotate KEY --retire now; or rotate with a shorter --grace",
			"%d old secrets of the key %s are still retiring", retiring, shown(r.key.Name))
	}
	return current, nil
}

// seal adds the secret, and keeps it for who opened the rotation; recoverable: for the key as well.
func (r *rotating) seal(sec secret.Secret, recoverable bool) error {
	dataKey, err := r.s.keys.dataKey(r.org)
	if err != nil {
		return err
	}
	pepper, err := r.s.keys.peppers.toWrite(r.tx)
	if err != nil {
		return err
	}
	add := store.NewSecret{
		KeyID: r.key.ID, Version: r.row.NewVersion, State: store.StateNext, Hint: sec.Hint(), Digest: pepper.secrets.Digest(sec),
		PepperID: pepper.id, CreatedAt: r.now,
	}
	if recoverable {
		if add.Sealed, err = sealSecret(dataKey, r.org.ID, r.key.ID, add.Version, sec); err != nil {
			return err
		}
	}
	if r.row.Sealed, err = seal(dataKey, []byte(sec.Reveal()), r.sealedAt()); err != nil {
		return err
	}
	if err := r.tx.AddSecret(add); err != nil {
		return err
	}
	r.key, err = r.tx.Key(r.org.ID, r.key.ID)
	return err
}

// sealedAt is the associated data of the copy for who opened the rotation.
func (r *rotating) sealedAt() string { return r.org.ID + "|rotation|" + r.row.ID }

// join hands the secret of the open rotation out again.
func (r *rotating) join(in NewRotation, run [32]byte) (secret.Secret, error) {
	dataKey, err := r.s.keys.dataKey(r.org)
	if err != nil {
		return secret.Secret{}, err
	}
	text, err := unseal(dataKey, r.row.Sealed, r.sealedAt())
	if err != nil {
		return secret.Secret{}, fmt.Errorf("secret of the rotation %s: %w", r.row.ID, err)
	}
	sec, err := secret.Parse(secret.Key, string(text))
	if err != nil {
		return secret.Secret{}, fmt.Errorf("secret of the rotation %s: %w", r.row.ID, err)
	}
	if run != [32]byte{} {
		r.row.Run = run
	}
	r.want(in.Sinks)
	if err := r.save("joined", "hint", sec.Hint()); err != nil {
		return secret.Secret{}, err
	}
	return sec, r.cutFirst(in.Emergency)
}

// want sets the sinks: those with a receipt stay, of the others those that are named now.
func (r *rotating) want(names []string) {
	sinks := slices.DeleteFunc(slices.Clone(r.row.Sinks), func(s store.Sink) bool { return s.DeliveredAt.IsZero() })
	for _, name := range names {
		if !slices.ContainsFunc(sinks, func(s store.Sink) bool { return s.Name == name }) {
			sinks = append(sinks, store.Sink{Name: name})
		}
	}
	r.row.Sinks = sinks
	r.goOn()
}

// goOn is the state of an open rotation by its receipts. One that is proven stays so, unless a sink was named since; and what
// needed attention has it: the day begins anew.
func (r *rotating) goOn() {
	_, pending := r.pending()
	switch {
	case pending, !r.delivered():
		if pending || r.row.State != string(api.RotationProven) {
			r.row.State, r.row.ArmedAt = string(api.RotationMinted), time.Time{}
		}
	case r.row.State != string(api.RotationProven):
		r.row.State = string(api.RotationDelivered)
	}
	r.row.DueAt = r.now.Add(rotationKept)
}

// cutFirst retires all secrets but the new one, which takes their place.
func (r *rotating) cutFirst(emergency bool) error {
	if !emergency || r.row.Emergency {
		return nil
	}
	var cut []string
	for _, v := range r.key.Secrets {
		if v.Version == r.row.NewVersion {
			continue
		}
		if err := r.tx.RetireSecret(r.key.ID, v.Version, r.now); err != nil {
			return err
		}
		cut = append(cut, strconv.Itoa(v.Version))
	}
	next, _ := r.secret(r.row.NewVersion)
	next.State = store.StateCurrent
	if err := r.tx.ChangeSecret(next, store.StateNext); err != nil {
		return err
	}
	if err := r.endPromoted(); err != nil {
		return err
	}
	r.row.Emergency = true
	return r.save("retired", "versions", strings.Join(cut, " "), "emergency", "true")
}

func yes(b bool) string {
	if b {
		return "true"
	}
	return ""
}
