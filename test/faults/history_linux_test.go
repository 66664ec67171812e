package faults

import (
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// action is what a client asks of one key.
type action struct {
	verb    string // check, disable, enable, rotate or delete
	version int    // of the secret that is checked
}

// outcome is what it was answered.
type outcome struct {
	unknown  bool // the answer was lost: it happened at some time, or never will
	accepted bool // check: the key opens; else: it was done
	version  int  // rotate: of the new secret
}

// standing is a key as it must appear to everybody.
type standing struct {
	disabled, deleted bool
	version           int // of the one secret that opens; 0: one whose number nobody was told
}

// step says whether an action may have this outcome on a key that stands so, and how the key stands then.
func step(s standing, a action, o outcome) (bool, standing) {
	done := o.accepted || o.unknown
	switch {
	case a.verb == "check":
		return o.accepted == (!s.disabled && !s.deleted && s.version == a.version), s
	case s.deleted: // answered with 404
		return !o.accepted, s
	case a.verb == "delete" && done:
		return true, standing{deleted: true}
	case a.verb == "disable" && done:
		return true, standing{disabled: true, version: s.version}
	case a.verb == "enable" && done:
		return true, standing{version: s.version}
	case a.verb == "rotate" && s.disabled: // answered with 409, but for a rotation that is open already, of which nobody may have heard
		if o.accepted && s.version == 0 {
			s.version = o.version
		}
		return !o.accepted || o.version == s.version, s
	case a.verb == "rotate" && done:
		return true, standing{version: o.version}
	}
	return false, s // refused for no reason
}

// keyModel is one key to Porcupine: its history must be that of a key which each action hits in one moment between call and answer.
func keyModel() porcupine.Model {
	return porcupine.Model{
		Init:  func() any { return standing{version: 1} },
		Step:  func(s, in, out any) (bool, any) { return step(s.(standing), in.(action), out.(outcome)) },
		Equal: func(a, b any) bool { return a == b },
		DescribeOperation: func(in, out any) string {
			return fmt.Sprintf("%v → %v", in, out)
		},
	}
}

// among is a key as several replicas may answer for it while changes are under way: either way.
type among struct {
	standing

	disables, enables, rotations, deletions int8 // under way
}

// bound is the begin or the end of a change.
type bound struct {
	action

	ends bool
}

// stepAmong is step for several replicas. A change is two operations: from the one on any replica may go by it, from the other on
// all do. Both lie between call and answer.
func stepAmong(s among, b bound, o outcome) (bool, among) {
	if b.verb == "check" {
		accepts := !s.deleted && (!s.disabled || s.enables > 0) && (s.version == b.version || s.rotations > 0)
		refuses := s.deleted || s.disabled || s.version != b.version || s.disables+s.rotations+s.deletions > 0
		return o.accepted && accepts || !o.accepted && refuses, s
	}
	count := map[string]*int8{"disable": &s.disables, "enable": &s.enables, "rotate": &s.rotations, "delete": &s.deletions}[b.verb]
	if !b.ends {
		*count++
		return true, s
	}
	if *count == 0 {
		return false, s
	}
	*count--
	if !o.accepted && !o.unknown {
		return s.deleted || s.deletions > 0 || b.verb == "rotate" && (s.disabled || s.disables > 0), s
	}
	was := s.standing
	if b.verb == "rotate" && (was.disabled && s.enables > 0 || was.deleted) { // it came before what has ended sooner
		return true, s
	}
	ok, is := step(was, b.action, o)
	s.standing = is
	return ok, s
}

// amongModel is one key of several replicas to Porcupine.
func amongModel() porcupine.Model {
	return porcupine.Model{
		Init:  func() any { return among{standing: standing{version: 1}} },
		Step:  func(s, in, out any) (bool, any) { return stepAmong(s.(among), in.(bound), out.(outcome)) },
		Equal: func(a, b any) bool { return a == b },
		DescribeOperation: func(in, out any) string {
			return fmt.Sprintf("%v → %v", in, out)
		},
	}
}

// amongReplicas is the history of an atomic key as that of one on several replicas.
func amongReplicas(operations []porcupine.Operation) (all []porcupine.Operation) {
	for _, o := range operations {
		a := o.Input.(action)
		o.Input = bound{action: a}
		if a.verb != "check" {
			all = append(all, o)
			o.Input = bound{action: a, ends: true}
		}
		all = append(all, o)
	}
	return all
}

// history records what clients asked and were answered, by key. Times are of one monotonic clock.
type history struct {
	began    time.Time
	replicas bool // several answer

	mu    sync.Mutex
	byKey map[string][]porcupine.Operation
	count int
}

func newHistory() *history {
	return &history{began: time.Now(), byKey: map[string][]porcupine.Operation{}}
}

func (h *history) now() int64 { return int64(time.Since(h.began)) }

// add records an action that was called at that time and is answered now.
func (h *history) add(client int, key string, called int64, a action, o outcome) {
	answered := h.now()
	switch {
	case o.unknown && a.verb == "check":
		return // it says nothing
	case o.unknown:
		answered = math.MaxInt64
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.byKey[key] = append(h.byKey[key], porcupine.Operation{ClientId: client, Input: a, Output: o, Call: called, Return: answered})
	h.count++
}

// violations are the keys whose history is impossible.
func (h *history) violations(t *testing.T) (bad []string) {
	t.Helper()
	for key, operations := range h.byKey {
		model := keyModel()
		if h.replicas {
			model, operations = amongModel(), amongReplicas(operations)
		}
		switch porcupine.CheckOperationsTimeout(model, operations, time.Minute) {
		case porcupine.Ok:
		case porcupine.Unknown:
			t.Errorf("the history of %s, %d operations, could not be judged within a minute", key, len(operations))
		default:
			bad = append(bad, key)
		}
	}
	return bad
}

// TestModelRefuses: the model finds what must not happen, and lets through what may.
func TestModelRefuses(t *testing.T) {
	t.Parallel()
	did, refused, lost := outcome{accepted: true}, outcome{}, outcome{unknown: true}
	type op struct {
		call, ret int64
		a         action
		o         outcome
	}
	check := func(v int) action { return action{"check", v} }
	do := func(verb string) action { return action{verb: verb} }
	for name, tt := range map[string]struct {
		ops []op
		ok  bool
	}{
		"accepted after disable":           {[]op{{0, 1, do("disable"), did}, {2, 3, check(1), did}}, false},
		"accepted while it is disabled":    {[]op{{0, 5, do("disable"), did}, {2, 3, check(1), did}}, true},
		"accepted, refused, accepted":      {[]op{{0, 9, do("disable"), did}, {1, 2, check(1), did}, {3, 4, check(1), refused}, {5, 6, check(1), did}}, false},
		"refused after enable":             {[]op{{0, 1, do("disable"), did}, {2, 3, do("enable"), did}, {4, 5, check(1), refused}}, false},
		"accepted after a lost disable":    {[]op{{0, math.MaxInt64, do("disable"), lost}, {2, 3, check(1), did}}, true},
		"refused after a lost disable":     {[]op{{0, math.MaxInt64, do("disable"), lost}, {2, 3, check(1), refused}}, true},
		"a lost disable that is undone":    {[]op{{0, math.MaxInt64, do("disable"), lost}, {2, 3, check(1), refused}, {4, 5, check(1), did}}, false},
		"the old secret after a rotation":  {[]op{{0, 1, do("rotate"), outcome{accepted: true, version: 2}}, {2, 3, check(1), did}}, false},
		"the new secret after a rotation":  {[]op{{0, 1, do("rotate"), outcome{accepted: true, version: 2}}, {2, 3, check(2), did}}, true},
		"a rotation of a deleted key":      {[]op{{0, 1, do("delete"), did}, {2, 3, do("rotate"), outcome{accepted: true, version: 2}}}, false},
		"enabled after it was deleted":     {[]op{{0, 1, do("delete"), did}, {2, 3, do("enable"), refused}, {4, 5, check(1), refused}}, true},
		"refused though nothing was done":  {[]op{{0, 1, check(1), refused}}, false},
		"a lost rotation that is joined":   {[]op{{0, 5, do("rotate"), lost}, {6, 7, do("disable"), did}, {8, 9, do("rotate"), outcome{accepted: true, version: 2}}, {10, 11, do("enable"), did}, {12, 13, check(2), did}, {14, 15, check(1), refused}}, true},
		"disable refused for no reason":    {[]op{{0, 1, do("disable"), refused}}, false},
		"a rotation refused for no reason": {[]op{{0, 1, do("rotate"), refused}}, false},
	} {
		var ops []porcupine.Operation
		for i, o := range tt.ops {
			ops = append(ops, porcupine.Operation{ClientId: i, Input: o.a, Output: o.o, Call: o.call, Return: o.ret})
		}
		if got := porcupine.CheckOperations(keyModel(), ops); got != tt.ok {
			t.Errorf("%s: %v, want %v", name, got, tt.ok)
		}
	}
}
