package server

import (
	"regexp"
	"sync"
	"testing"
)

func TestRequestIDsAreTheirOwn(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^req_[a-z2-7]{26}$`)
	var (
		mu    sync.Mutex
		seen  = map[string]bool{}
		group sync.WaitGroup
	)
	for _, ids := range []*requestIDs{newRequestIDs(), newRequestIDs()} {
		for range 4 {
			group.Go(func() {
				for range 1000 {
					id := ids.next()
					mu.Lock()
					if seen[id] || !form.MatchString(id) {
						t.Errorf("%s: a second time, or of another form", id)
					}
					seen[id] = true
					mu.Unlock()
				}
			})
		}
	}
	group.Wait()
}
