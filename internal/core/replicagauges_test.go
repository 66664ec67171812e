package core

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestRenewedAgo: renewals count where nothing changes, too.
func TestRenewedAgo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newSimulation(t, 1).nodes[0]
		n.worse = 0 // nothing is late or lost
		s := &Service{replica: &replica{lease: n.lease}}
		ctx, cancel := context.WithCancel(t.Context())
		var done sync.WaitGroup
		done.Go(func() { n.lease.run(ctx) })
		<-time.After(9 * time.Second) // of virtual time
		g, ok := s.ReplicaGauges()
		cancel()
		done.Wait()
		n.s.calls.Wait()
		if !ok || g.Renewals < 30 || g.RenewalsFailed > 0 {
			t.Errorf("%v %+v", ok, g)
		}
		if g.RenewedAgo > leaseFor {
			t.Errorf("renewed %v ago, though the lease has %v left", g.RenewedAgo, g.LeaseLeft)
		}
	})
}
