package core_test

import (
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

// TestASealedCopyOfAnotherSecret is not made into what opens.
func TestASealedCopyOfAnotherSecret(t *testing.T) {
	t.Parallel()
	f := newPeppered(t)
	db, err := sql.Open("sqlite", f.db.File(t))
	f.must(err)
	_, err = db.ExecContext(t.Context(), `UPDATE secrets SET sealed = x'0102' WHERE key_id = (SELECT id FROM keys WHERE name = 'sealed')`)
	f.must(errors.Join(err, db.Close()))
	newer := [32]byte{9}
	f.keys.put(newer)
	f.must(f.svc.AddPepper(t.Context(), newer))
	done, err := f.svc.Redigest(t.Context())
	f.must(err)
	if done.Moved != 2 || len(done.Faults) != 1 {
		t.Errorf("%+v", done)
	}
	f.opensAll(f.svc)
}

// TestRetiredSecretsAreForgotten: they hold an old pepper for 90 days, or until they are not to be recognised any more.
func TestRetiredSecretsAreForgotten(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		after   time.Duration
		forget  bool
		dropped bool
	}{
		"a day":                  {26 * time.Hour, false, false},
		"a day, forgotten":       {26 * time.Hour, true, true},
		"an hour, forgotten":     {time.Hour, true, false},
		"90 days":                {91 * 24 * time.Hour, false, true},
		"90 days but a few days": {85 * 24 * time.Hour, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			_, retired := f.create(core.NewKey{Name: "ci"})
			opened, err := f.svc.OpenRotation(t.Context(), f.owner, "acme", "ci", core.NewRotation{Emergency: true}, core.Origin{})
			f.must(err)
			f.must(f.svc.AddPepper(t.Context(), [32]byte{9}))
			_, err = f.svc.Redigest(t.Context())
			f.must(err)
			f.clock.move(time.Minute)
			_, err = f.svc.Authenticate(t.Context(), f.token.Reveal()) // which moves the session
			f.must(err)
			f.clock.move(tt.after)
			dropped, err := f.svc.DropPeppers(t.Context(), tt.forget)
			f.must(err)
			f.equal("dropped", len(dropped) == 1, tt.dropped)
			core.EndLeaseForTest(f.svc)
			core.ForgetForTest(f.svc)
			_, err = f.check(opened.Secret)
			f.must(err)
			_, err = f.check(retired)
			if tt.dropped {
				f.refused(err, api.CodeUnauthenticated, noKeyDetail)
			} else {
				f.refused(err, api.CodeKeyExpired, "this secret of the key")
			}
		})
	}
}
