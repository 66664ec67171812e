package core_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

// crowd is how many ask at once, of two services on one database.
const crowd = 32

// atOnce runs fn for each of the crowd, at one of two services.
func (f *fixture) atOnce(fn func(svc *core.Service, i int) error) []error {
	f.Helper()
	other := f.db.Open(f)
	second, err := core.New(core.Config{Store: other, Material: testMaterial(), Now: f.clock.now})
	f.must(err)
	defer func() { f.must(second.Close(f.Context())) }()
	services := []*core.Service{f.svc, second}
	errs := make([]error, crowd)
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range crowd {
		all.Go(func() {
			<-start
			errs[i] = fn(services[i%len(services)], i)
		})
	}
	close(start)
	all.Wait()
	return errs
}

// TestCrowdOfNames: of many who want one name, in whatever case, one gets it; who wants a name of their own gets that. Nobody is told
// that the store is busy.
func TestCrowdOfNames(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	spelt := []string{"straße", "STRASSE", "Strasse", "straSSe"}
	won := 0
	for i, err := range f.atOnce(func(svc *core.Service, i int) error {
		if _, _, _, err := svc.CreateKey(t.Context(), f.owner, "acme", core.NewKey{Name: fmt.Sprint("own ", i), Tags: map[string]string{"a": "b"}}); err != nil {
			return fmt.Errorf("a name of one's own: %w", err)
		}
		_, _, _, err := svc.CreateKey(t.Context(), f.owner, "acme", core.NewKey{Name: spelt[i%len(spelt)]})
		return err
	}) {
		if err == nil {
			won++
		} else if !isRefusal(err, api.CodeNameTaken) {
			t.Errorf("%d: %v", i, err)
		}
	}
	f.equal("who got the name", won, 1)
	f.equal("keys", len(f.names(core.ListKeys{Limit: 1000})), crowd+1)
}

// TestCrowdOfRenames: of many who rename keys to one name one does.
func TestCrowdOfRenames(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for i := range crowd {
		f.create(core.NewKey{Name: fmt.Sprint("old ", i)})
	}
	name, won := "new", 0
	for i, err := range f.atOnce(func(svc *core.Service, i int) error {
		_, err := svc.UpdateKey(t.Context(), f.owner, "acme", fmt.Sprint("old ", i), core.KeyPatch{Name: &name}, 0)
		return err
	}) {
		if err == nil {
			won++
		} else if !isRefusal(err, api.CodeNameTaken) {
			t.Errorf("%d: %v", i, err)
		}
	}
	f.equal("who got the name", won, 1)
	f.equal("keys", len(f.names(core.ListKeys{Limit: 1000})), crowd)
}

// TestCrowdOnOneKey: whoever disables or enables one key at the same time as others is heard.
func TestCrowdOnOneKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	k, _ := f.create(core.NewKey{Name: "ci"})
	for i, err := range f.atOnce(func(svc *core.Service, i int) error {
		_, err := svc.SetKeyEnabled(t.Context(), f.owner, "acme", k.ID, i%4 < 2, "")
		return err
	}) {
		if err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
}

// TestPagesWhileRowsChange: in each order, who pages through a list while keys are made, renamed and deleted sees every key once that
// stayed as it was.
func TestPagesWhileRowsChange(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const stay = 30
	for i := range stay {
		f.create(core.NewKey{Name: fmt.Sprintf("stays %02d", i)})
	}
	const changes = 4 // while a list is read
	for n, sort := range api.KeySorts() {
		for i := range changes {
			f.create(core.NewKey{Name: fmt.Sprintf("goes %d %d", n, i)})
		}
		var names []string
		token := ""
		for page := 0; page == 0 || token != ""; page++ {
			got, err := f.svc.Keys(t.Context(), f.owner, "acme", core.ListKeys{Limit: 7, Token: token, Sort: sort})
			f.must(err)
			for _, k := range got.Keys {
				names = append(names, k.Name)
			}
			token = got.NextToken
			if page < changes {
				f.create(core.NewKey{Name: fmt.Sprintf("comes %d %d", n, page)})
				f.must(f.svc.DeleteKey(t.Context(), f.owner, "acme", fmt.Sprintf("goes %d %d", n, page), core.DeleteKey{}))
			}
		}
		slices.Sort(names)
		stayed := slices.DeleteFunc(slices.Clone(names), func(s string) bool { return s[0] != 's' })
		f.equal(fmt.Sprintf("%q: those that stayed", sort), len(stayed), stay)
		f.equal(fmt.Sprintf("%q: each once", sort), len(slices.Compact(stayed)), stay)
	}
}
