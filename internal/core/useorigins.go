package core

import (
	"math"
	"strings"
	"sync"
)

const (
	originsMax  = 1<<16 - 1
	originsFree = 1 << 14 // numbers that there are after each flush, if uses leave so many
)

// origins gives callers numbers: there are few of them beside keys. 0 stands for nobody that is known, which is also what a caller
// gets while there are too many. Numbers that no use has are given anew when few are left.
type origins struct {
	mu   sync.RWMutex
	byID []Origin
	ids  map[Origin]uint16
	free []uint16
}

func newOrigins() *origins {
	return &origins{byID: make([]Origin, 1), ids: map[Origin]uint16{{}: 0}}
}

// number returns that of a caller. The caller of it has the turn, or nothing gives numbers anew yet.
func (o *origins) number(from Origin) uint16 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.add(from)
}

// add is number for who holds mu. The strings may be parts of a request: they are copied where they are kept.
func (o *origins) add(from Origin) uint16 {
	if n, found := o.ids[from]; found {
		return n
	}
	if o.left() == 0 {
		return 0
	}
	from = Origin{AddressPrefix: strings.Clone(from.AddressPrefix), Agent: strings.Clone(from.Agent)}
	n := uint16(len(o.byID)) //nolint:gosec // at most originsMax
	if last := len(o.free) - 1; last >= 0 {
		n, o.free = o.free[last], o.free[:last]
		o.byID[n] = from
	} else {
		o.byID = append(o.byID, from)
	}
	o.ids[from] = n
	return n
}

func (o *origins) left() int { return originsMax + 1 - len(o.byID) + len(o.free) }

func (o *origins) of(n uint16) Origin {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.byID[n]
}

// note adds a call of a caller; soon says that it is time to write what there is. A number is in an entry before anybody can give it
// anew: mu is held until then.
func (u *usage) note(e useEntry, from Origin) (soon bool) {
	o := u.origins
	o.mu.RLock()
	n, found := o.ids[from]
	if found {
		e.caller = n
		soon = u.fresh.call(e)
	}
	o.mu.RUnlock()
	if found {
		return soon
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	e.caller = o.add(from)
	return u.fresh.call(e) || o.left() == 0
}

// renumber frees the numbers of callers that no use has, if few are left. Only who has the turn calls it: nobody else moves use.
func (u *usage) renumber() error {
	o := u.origins
	o.mu.RLock()
	left := o.left()
	o.mu.RUnlock()
	if left >= originsFree {
		return nil
	}
	used := make([]bool, originsMax+1)
	used[0] = true
	mark := func(e *useEntry) { used[e.caller] = true }
	err := u.kept.after(useID{}, math.MaxInt, func(p *packedUse) {
		for _, use := range p.uses {
			used[use.caller] = true
		}
	})
	if err != nil {
		return err
	}
	u.writing.each(mark)
	o.mu.Lock()
	defer o.mu.Unlock()
	u.fresh.each(mark)
	for n, from := range o.byID {
		if !used[n] && from != (Origin{}) {
			delete(o.ids, from)
			o.byID[n] = Origin{}
			o.free = append(o.free, uint16(n))
		}
	}
	return nil
}
