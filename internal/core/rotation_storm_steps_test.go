package core_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

// pass draws a schedule, and looks after each step.
func (s *storm) pass(t *rapid.T) error {
	defer s.kill()
	for range rapid.IntRange(5, 40).Draw(t, "steps") {
		actions := s.actions()
		names := make([]string, 0, len(actions))
		for _, a := range actions {
			for range a.weight {
				names = append(names, a.name)
			}
		}
		name := rapid.SampledFrom(names).Draw(t, "action")
		i := slices.IndexFunc(actions, func(a action) bool { return a.name == name })
		actions[i].do(t)
		synctest.Wait()
		if err := s.invariant(); err != nil {
			return fmt.Errorf("after %s: %w", name, err)
		}
	}
	s.kill()
	return s.end()
}

type action struct {
	name   string
	weight int
	do     func(*rapid.T)
}

// actions are what can be done now.
func (s *storm) actions() []action {
	all := []action{
		{"a sink's secret is used", 2, func(t *rapid.T) {
			_, _ = s.check(rapid.SampledFrom(s.seen()).Draw(t, "sink").holds)
		}},
		{"time passes", 2, func(t *rapid.T) {
			s.passes(time.Duration(rapid.SampledFrom([]int{6, 31, 70}).Draw(t, "seconds")) * time.Second)
		}},
		{"the clock jumps", 2, func(t *rapid.T) {
			s.clock.move(time.Duration(rapid.SampledFrom([]int{-60, -1, 1, 60, 60, 1440, 5000}).Draw(t, "minutes")) * time.Minute)
		}},
		{"the service is restarted", 1, func(t *rapid.T) { s.restart(rapid.Bool().Draw(t, "killed")) }},
		{"the key is disabled or enabled", 1, func(t *rapid.T) {
			_, err := s.svc.SetKeyEnabled(context.Background(), s.owner, "acme", s.key.ID, rapid.Bool().Draw(t, "enabled"), "")
			s.look(err)
		}},
		{"permissions change", 1, func(t *rapid.T) {
			role := rapid.SampledFrom([]api.Role{api.RoleAdmin, api.RoleViewer}).Draw(t, "role")
			_, err := s.svc.SetMemberRole(context.Background(), s.owner, "acme", s.bo.User.ID, role)
			s.look(err)
		}},
		{"somebody takes a rotation back, or ends one", 2, s.meddle},
	}
	if !s.deleted && len(s.runs) > 0 && s.n%8 == 0 {
		all = append(all, action{"the key is deleted", 1, func(*rapid.T) {
			s.must(s.svc.DeleteKey(context.Background(), s.owner, "acme", s.key.ID, core.DeleteKey{AcknowledgeRecentUse: true}))
			s.deleted = true
		}})
	}
	living, standing := s.standing()
	if living < 4 {
		all = append(all, action{"a run begins", 3, s.begin})
	}
	if len(standing) > 0 {
		all = append(all, action{"a run goes on", 12, func(t *rapid.T) {
			r := rapid.SampledFrom(standing).Draw(t, "run")
			for range rapid.IntRange(1, 9).Draw(t, "points") {
				s.resume(r, goesOn)
				if where, _ := r.stands(); where == "" || s.invariant() != nil {
					return
				}
			}
		}}, action{"a run has bad luck", 4, func(t *rapid.T) {
			r := rapid.SampledFrom(standing).Draw(t, "run")
			where, at := r.stands()
			s.resume(r, rapid.SampledFrom(fatesAt(where, at != nil && at.reads)).Draw(t, "fate"))
		}})
	}
	return all
}

// resume lets a run go on to where it stands next, or waits, or ends.
func (s *storm) resume(r *run, f fate) {
	s.mu.Lock()
	r.where = ""
	s.mu.Unlock()
	r.resume <- f
	synctest.Wait()
}

// passes lets the time pass that the service's goroutines and the sinks go by.
func (s *storm) passes(d time.Duration) {
	s.clock.move(d)
	<-time.After(d)
	synctest.Wait()
}

func (s *storm) standing() (living int, standing []*run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.runs {
		if !r.ended {
			living++
		}
		if r.where != "" {
			standing = append(standing, r)
		}
	}
	s.most = max(s.most, living)
	return living, standing
}

func (s *storm) begin(t *rapid.T) {
	s.start(&run{
		by:    rapid.SampledFrom([]core.Principal{s.owner, s.owner, s.owner, s.bo}).Draw(t, "by"),
		name:  rapid.SampledFrom([]string{"", "one", "two", "three"}).Draw(t, "name"),
		grace: time.Duration(rapid.SampledFrom([]int{0, 1, 3}).Draw(t, "grace")) * time.Hour,
		onUse: rapid.SampledFrom(api.OnUses()).Draw(t, "on use"),
	})
}

func (s *storm) start(r *run) {
	r.s, r.order, r.resume = s, s.order, make(chan fate)
	s.runs = append(s.runs, r)
	go r.main()
	synctest.Wait()
}

// meddle is what people do beside the runs: nothing by force, which is theirs to answer for.
func (s *storm) meddle(t *rapid.T) {
	ctx := context.Background()
	all, err := s.svc.Rotations(ctx, s.owner, "acme", s.key.ID)
	s.look(err)
	if len(all) == 0 {
		return
	}
	r := rapid.SampledFrom(all).Draw(t, "rotation")
	if rapid.Bool().Draw(t, "back") {
		_, _, err = s.svc.CancelRotation(ctx, s.owner, "acme", s.key.ID, r.ID, false, fromHere())
	} else {
		_, _, err = s.svc.RetireRotation(ctx, s.owner, "acme", s.key.ID, r.ID, fromHere())
	}
	s.look(err)
}

// kill ends every run: those that stand at once, those that wait for a sink once it has answered.
func (s *storm) kill() {
	for range 2 {
		for _, r := range s.runs {
			if where, _ := r.stands(); where != "" {
				s.resume(r, dies)
			}
		}
		if s.waiting() {
			s.passes(sinkTime + lateAfter)
		}
	}
}

// waiting says whether a run waits for a sink, or a sink still takes what it was given.
func (s *storm) waiting() bool {
	living, _ := s.standing()
	s.mu.Lock()
	defer s.mu.Unlock()
	return living > 0 || s.afterwards > 0
}

// end: nothing is left half done, and whoever runs it again gets there.
func (s *storm) end() error {
	ctx := context.Background()
	if s.deleted {
		return s.fault()
	}
	_, err := s.svc.SetKeyEnabled(ctx, s.owner, "acme", s.key.ID, true, "")
	s.look(err)
	_, err = s.svc.SetMemberRole(ctx, s.owner, "acme", s.bo.User.ID, api.RoleAdmin)
	s.look(err)
	for range 2 {
		s.clock.move(31 * 24 * time.Hour)
		s.look(core.SettleForTest(ctx, s.svc))
		if err := s.invariant(); err != nil {
			return fmt.Errorf("in the end: %w", err)
		}
	}
	all, err := s.svc.Rotations(ctx, s.owner, "acme", s.key.ID)
	s.look(err)
	by := s.owner
	for _, r := range all {
		if !slices.Contains([]api.RotationState{api.RotationRetired, api.RotationCancelled, api.RotationNeedsAttention}, r.State) {
			return fmt.Errorf("the rotation %s ends %s", r.ID, r.State)
		}
		if r.PromotedAt.IsZero() && r.EndedAt.IsZero() && r.OpenedBy.ID == s.bo.User.ID {
			by = s.bo
		}
	}
	for _, name := range []string{"last", "and again"} { // the first may have joined one whose receipts are older than a sink's loss
		if err := s.finish(&run{by: by, name: name}); err != nil {
			return fmt.Errorf("the %s run: %w", name, err)
		}
	}
	for _, p := range s.seen() {
		if _, err := s.check(p.holds); err != nil || !p.receipt {
			return fmt.Errorf("the sink %s, with a receipt %v: %w", p.name, p.receipt, err)
		}
	}
	return s.fault()
}

// finish runs a run to its end.
func (s *storm) finish(r *run) error {
	s.start(r)
	for where, _ := r.stands(); where != ""; where, _ = r.stands() {
		s.resume(r, goesOn)
		if err := s.invariant(); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !r.ended {
		return errors.New("hangs")
	}
	return r.err
}
