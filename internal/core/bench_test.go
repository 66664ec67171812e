package core_test

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

func BenchmarkCheckKey(b *testing.B) {
	f := newFixture(b)
	var presented string
	for i := range 1000 {
		_, sec := f.create(core.NewKey{Name: "key " + string(rune('一'+i))})
		presented = sec.Reveal()
	}
	_, sec := f.create(core.NewKey{Name: "limited", RateLimit: api.RateLimit{Requests: 1_000_000, PerSeconds: 1}})
	limited := sec.Reveal()
	from := core.Origin{AddressPrefix: "192.0.2.0/24", Agent: "bench/1"}
	counted := from
	counted.Address = netip.MustParseAddr("192.0.2.1")
	b.Run("from the store", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			core.ForgetForTest(f.svc)
			if _, err := f.svc.CheckKey(b.Context(), presented, from); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("valid", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := f.svc.CheckKey(b.Context(), presented, from); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("admit", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := f.svc.Admit(b.Context(), presented, "", from); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("admit limited", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f.clock.move(time.Microsecond)
			if _, err := f.svc.Admit(b.Context(), limited, "", from); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("admit parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := f.svc.Admit(b.Context(), presented, "", from); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
	b.Run("unknown", func(b *testing.B) {
		b.ReportAllocs()
		unknown := secret.New(secret.Key).Reveal()
		for b.Loop() {
			if _, err := f.svc.Admit(b.Context(), unknown, "", from); err == nil {
				b.Fatal("accepted")
			}
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := f.svc.CheckKey(b.Context(), presented, from); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
	b.Run("malformed", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := f.svc.Admit(b.Context(), presented[:len(presented)-1], "", from); err == nil {
				b.Fatal("accepted")
			}
		}
	})
	b.Run("malformed, its address counted", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := f.svc.Admit(b.Context(), presented[:len(presented)-1], "", counted); err == nil {
				b.Fatal("accepted")
			}
		}
	})
}

// BenchmarkCreateKey16 makes keys from 16 clients at once, each on disk when it is answered.
func BenchmarkCreateKey16(b *testing.B) {
	for name, idempotent := range map[string]bool{"plain": false, "idempotent": true} {
		b.Run(name, func(b *testing.B) {
			f := newFixture(b)
			const clients = 16
			var made atomic.Int64
			var group sync.WaitGroup
			b.ResetTimer()
			for range clients {
				group.Go(func() {
					for n := made.Add(1); n <= int64(b.N); n = made.Add(1) {
						in := core.NewKey{Name: fmt.Sprint("key ", n), Tags: map[string]string{"team": "web"}}
						if idempotent {
							in.Idempotency = in.Name
						}
						if _, _, _, err := f.svc.CreateKey(b.Context(), f.owner, "acme", in); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			group.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "keys/s")
		})
	}
}
