package core

import (
	"bytes"
	"slices"
	"sort"
	"sync"
)

// leafKeys is how many keys a leaf has at most.
const leafKeys = 128

// keptUse is the use that is in the journal and not in its rows yet: packed, sorted by key, in leaves of which one is changed at
// a time. One goroutine at a time changes it; any may read.
type keptUse struct {
	base int64 // what its times count from

	mu     sync.RWMutex
	leaves []leaf
	keys   int
}

type leaf struct {
	first useID // no key in it is below, but in the first leaf
	keys  int
	run   []byte
}

// at returns the place of the leaf that a key is in, if it is in any.
func (k *keptUse) at(id useID) int {
	n := sort.Search(len(k.leaves), func(i int) bool { return bytes.Compare(k.leaves[i].first[:], id[:]) > 0 })
	return max(0, n-1)
}

// of adds what there is of a key to p.
func (k *keptUse) of(p *packedUse) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if len(k.leaves) == 0 {
		return
	}
	r := runReader{data: k.leaves[k.at(p.id)].run}
	for r.next() {
		switch bytes.Compare(r.id[:], p.id[:]) {
		case 0:
			r.into(k.base, p)
			return
		case 1:
			return
		}
	}
}

// source hands out keys in order.
type source interface {
	// peek returns the id of the next key.
	peek() (useID, bool)
	// pop adds that key to p.
	pop(p *packedUse)
}

// entrySource is sorted entries.
type entrySource struct{ list []*useEntry }

func (s *entrySource) peek() (id useID, ok bool) {
	if len(s.list) == 0 {
		return id, false
	}
	return s.list[0].id, true
}

func (s *entrySource) pop(p *packedUse) {
	id := s.list[0].id
	for len(s.list) > 0 && s.list[0].id == id {
		p.addEntry(s.list[0])
		s.list = s.list[1:]
	}
}

// merger is what merging needs room for.
type merger struct {
	w    runWriter
	p    packedUse
	made []leaf

	halved bool
}

// merge adds what src hands out.
func (k *keptUse) merge(m *merger, src source) error {
	for id, ok := src.peek(); ok; id, ok = src.peek() {
		if len(k.leaves) == 0 {
			k.mu.Lock()
			k.leaves = []leaf{{first: id}}
			k.mu.Unlock()
		}
		i := k.at(id)
		if err := k.mergeLeaf(m, i, src); err != nil {
			return err
		}
	}
	return nil
}

// mergeLeaf adds to one leaf the keys that belong into it.
func (k *keptUse) mergeLeaf(m *merger, i int, src source) error {
	old := k.leaves[i]
	belongs := func(id useID) bool {
		return i+1 == len(k.leaves) || bytes.Compare(id[:], k.leaves[i+1].first[:]) < 0
	}
	m.made = m.made[:0]
	m.w.reset()
	r := runReader{data: old.run}
	more := r.next()
	for {
		id, ok := src.peek()
		ok = ok && belongs(id)
		if !ok && !more {
			break
		}
		if m.w.keys == leafKeys {
			m.halve()
		}
		switch order := bytes.Compare(r.id[:], id[:]); {
		case more && (!ok || order < 0):
			m.w.addPacked(r.id, r.body)
			more = r.next()
		case more && order == 0:
			m.p.reset(id)
			r.into(k.base, &m.p)
			src.pop(&m.p)
			m.p.trim()
			m.w.add(k.base, &m.p)
			more = r.next()
		default:
			m.p.reset(id)
			src.pop(&m.p)
			m.p.trim()
			m.w.add(k.base, &m.p)
		}
	}
	if r.err != nil {
		return r.err
	}
	k.replace(m, i)
	return nil
}

// halve ends a leaf in the middle of what is written.
func (m *merger) halve() {
	r := runReader{data: slices.Clone(m.w.data)}
	m.w.reset()
	for r.next() {
		if m.w.keys == leafKeys/2 && len(r.data) > 0 && !m.halved {
			m.halved = true
			m.cut()
		}
		m.w.addPacked(r.id, r.body)
	}
	m.halved = false
}

// cut ends a leaf.
func (m *merger) cut() {
	r := runReader{data: m.w.data}
	if r.next() {
		m.made = append(m.made, leaf{first: r.id, keys: m.w.keys, run: slices.Clone(m.w.data)})
	}
	m.w.reset()
}

// replace puts what was made in the place of a leaf; nothing: the leaf goes.
func (k *keptUse) replace(m *merger, i int) {
	old := &k.leaves[i]
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keys -= old.keys
	if len(m.made) == 0 && m.w.keys > 0 && cap(old.run) >= len(m.w.data) && cap(old.run) < 2*len(m.w.data)+64 {
		first := runReader{data: m.w.data}
		first.next()
		old.first, old.keys, old.run = first.id, m.w.keys, append(old.run[:0], m.w.data...)
		k.keys += old.keys
		return
	}
	m.cut()
	for _, l := range m.made {
		k.keys += l.keys
	}
	k.leaves = slices.Replace(k.leaves, i, i+1, m.made...)
}

// after calls fn with the next keys above id, at most limit, until it is false.
func (k *keptUse) after(id useID, limit int, fn func(*packedUse)) error {
	var p packedUse
	for i := k.at(id); i < len(k.leaves) && limit > 0; i++ {
		r := runReader{data: k.leaves[i].run}
		for limit > 0 && r.next() {
			if bytes.Compare(r.id[:], id[:]) <= 0 {
				continue
			}
			p.reset(r.id)
			r.into(k.base, &p)
			fn(&p)
			limit--
		}
		if r.err != nil {
			return r.err
		}
	}
	return nil
}

// remove takes out the keys above after up to upto.
func (k *keptUse) remove(m *merger, after, upto useID) {
	for i := k.at(after); i < len(k.leaves); {
		if bytes.Compare(k.leaves[i].first[:], upto[:]) > 0 {
			return
		}
		m.made = m.made[:0]
		m.w.reset()
		r := runReader{data: k.leaves[i].run}
		for r.next() {
			if bytes.Compare(r.id[:], after[:]) <= 0 || bytes.Compare(r.id[:], upto[:]) > 0 {
				m.w.addPacked(r.id, r.body)
			}
		}
		before := len(k.leaves)
		if m.w.keys != k.leaves[i].keys {
			k.replace(m, i)
		}
		if len(k.leaves) == before {
			i++
		}
	}
}

// clear forgets all.
func (k *keptUse) clear() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.leaves, k.keys = nil, 0
}
