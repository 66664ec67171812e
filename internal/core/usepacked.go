package core

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/keyfob/keyfob/internal/store"
)

// packedUse is what is kept of one key while it is packed or unpacked.
type packedUse struct {
	id      useID
	uses    []lastUseBy
	minutes []store.MinuteUse
}

// lastUseBy is the last use of a version of a secret by a caller, in microseconds since 1970.
type lastUseBy struct {
	version uint32
	caller  uint16
	at      int64
}

func (p *packedUse) reset(id useID) { p.id, p.uses, p.minutes = id, p.uses[:0], p.minutes[:0] }

func (p *packedUse) addEntry(e *useEntry) {
	p.addUse(lastUseBy{e.version, e.caller, e.at})
	p.addCalls(store.MinuteUse{Minute: e.minute(), Calls: int64(e.calls)})
}

func (p *packedUse) addUse(u lastUseBy) {
	for i := range p.uses {
		if k := &p.uses[i]; k.version == u.version && k.caller == u.caller {
			k.at = max(k.at, u.at)
			return
		}
	}
	p.uses = append(p.uses, u)
}

func (p *packedUse) addCalls(m store.MinuteUse) {
	for i := len(p.minutes) - 1; i >= 0; i-- { // it is nearly always the last
		if p.minutes[i].Minute == m.Minute {
			p.minutes[i].Calls += m.Calls
			return
		}
	}
	p.minutes = append(p.minutes, m)
}

// trim keeps the latest callers, and the last use of each version.
func (p *packedUse) trim() {
	if len(p.uses) <= store.CallersMax {
		return
	}
	slices.SortFunc(p.uses, func(a, b lastUseBy) int { return int(max(-1, min(1, b.at-a.at))) })
	kept := p.uses[:0]
	for i, u := range p.uses {
		same := func(k lastUseBy) bool { return k.version == u.version }
		if i < store.CallersMax || !slices.ContainsFunc(kept, same) {
			kept = append(kept, u)
		}
	}
	p.uses = kept
}

// row is what the store is told.
func (p *packedUse) row(o *origins) store.KeyUse {
	out := store.KeyUse{KeyID: p.id.String(), Minutes: slices.Clone(p.minutes)}
	for _, u := range p.uses {
		at, from := timeOfMicros(u.at), o.of(u.caller)
		same := func(s store.SecretUse) bool { return s.Version == int(u.version) }
		switch i := slices.IndexFunc(out.Secrets, same); {
		case i < 0:
			out.Secrets = append(out.Secrets, store.SecretUse{Version: int(u.version), At: at, AddressPrefix: from.AddressPrefix, Agent: from.Agent})
		case at.After(out.Secrets[i].At):
			out.Secrets[i] = store.SecretUse{Version: int(u.version), At: at, AddressPrefix: from.AddressPrefix, Agent: from.Agent}
		}
		who := func(c store.CallerUse) bool { return c.AddressPrefix == from.AddressPrefix && c.Agent == from.Agent }
		switch i := slices.IndexFunc(out.Callers, who); {
		case i < 0:
			out.Callers = append(out.Callers, store.CallerUse{AddressPrefix: from.AddressPrefix, Agent: from.Agent, At: at})
		case at.After(out.Callers[i].At):
			out.Callers[i].At = at
		}
	}
	return out
}

// A run is keys in order, each as: how many bytes of its id are those of the key before, the others, the length of the rest; then
// the number of uses; version, caller and time of each; and minutes and calls until the end. Numbers are varints, times count
// from a base that is told beside the run.

var errRun = errors.New("a run of uses is damaged")

// runWriter packs keys.
type runWriter struct {
	data []byte
	last useID
	keys int
	body []byte
}

func (w *runWriter) reset() { w.data, w.last, w.keys = w.data[:0], useID{}, 0 }

func (w *runWriter) add(base int64, p *packedUse) {
	b := binary.AppendUvarint(w.body[:0], uint64(len(p.uses)))
	for _, u := range p.uses {
		b = binary.AppendUvarint(b, uint64(u.version))
		b = binary.AppendUvarint(b, uint64(u.caller))
		b = binary.AppendVarint(b, u.at-base)
	}
	for _, m := range p.minutes {
		b = binary.AppendVarint(b, m.Minute-base/microsMinute)
		b = binary.AppendUvarint(b, uint64(m.Calls)) //nolint:gosec // never negative
	}
	w.body = b
	w.addPacked(p.id, b)
}

func (w *runWriter) addPacked(id useID, body []byte) {
	shared := 0
	for shared < len(id) && id[shared] == w.last[shared] {
		shared++
	}
	w.data = append(w.data, byte(shared))
	w.data = append(w.data, id[shared:]...)
	w.data = binary.AppendUvarint(w.data, uint64(len(body)))
	w.data = append(w.data, body...)
	w.last = id
	w.keys++
}

// runReader walks a run.
type runReader struct {
	data []byte
	id   useID
	body []byte
	err  error
}

func (r *runReader) next() bool {
	if len(r.data) == 0 || r.err != nil {
		return false
	}
	shared := int(r.data[0])
	rest := len(r.id) - shared
	if rest < 0 || len(r.data) < 1+rest {
		r.err = errRun
		return false
	}
	copy(r.id[shared:], r.data[1:])
	r.data = r.data[1+rest:]
	n, size := binary.Uvarint(r.data)
	if size <= 0 || n > uint64(len(r.data))-uint64(size) {
		r.err = errRun
		return false
	}
	r.body, r.data = r.data[size:size+int(n)], r.data[size+int(n):] //nolint:gosec // checked
	return true
}

// into unpacks the key that next has found, to what p holds already.
func (r *runReader) into(base int64, p *packedUse) {
	b := numbers{data: r.body}
	for n := b.unsigned(); n > 0 && !b.bad; n-- {
		u := lastUseBy{version: uint32(b.unsigned()), caller: uint16(b.unsigned())} //nolint:gosec // as packed
		u.at = base + b.signed()
		p.addUse(u)
	}
	for len(b.data) > 0 && !b.bad {
		m := store.MinuteUse{Minute: base/microsMinute + b.signed()}
		m.Calls = int64(b.unsigned()) //nolint:gosec // as packed
		p.addCalls(m)
	}
	if b.bad {
		r.err = errRun
	}
}

// numbers reads varints; bad says that there was one missing.
type numbers struct {
	data []byte
	bad  bool
}

func (n *numbers) unsigned() uint64 {
	v, size := binary.Uvarint(n.data)
	return v * n.took(size)
}

func (n *numbers) signed() int64 {
	v, size := binary.Varint(n.data)
	return v * int64(n.took(size)) //nolint:gosec // 0 or 1
}

func (n *numbers) took(size int) uint64 {
	if size <= 0 {
		n.bad, n.data = true, nil
		return 0
	}
	n.data = n.data[size:]
	return 1
}

func (n *numbers) text() string {
	size := n.unsigned()
	if n.bad || size > uint64(len(n.data)) {
		n.bad = true
		return ""
	}
	s := string(n.data[:size])
	n.data = n.data[size:]
	return s
}
