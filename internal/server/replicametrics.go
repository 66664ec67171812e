package server

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyfob/keyfob/internal/core"
)

// replicaMetrics is what a scrape of one of several replicas shows. What the store says of them is left out while it does not answer.
type replicaMetrics struct {
	server *Server
	rows   []replicaMetric
	waited *prometheus.Desc
	fleet  [3]*prometheus.Desc
}

type replicaMetric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(g core.ReplicaGauges) float64
}

func desc(name, help string) *prometheus.Desc { return prometheus.NewDesc(name, help, nil, nil) }

// registerReplica adds them, if the service is a replica.
func (m *metrics) registerReplica(s *Server) {
	if !s.Core.IsReplica() {
		return
	}
	const gauge, counter = prometheus.GaugeValue, prometheus.CounterValue
	m.registry.MustRegister(&replicaMetrics{
		server: s,
		rows: []replicaMetric{
			{
				desc("keyfob_replica_lease_seconds", "For how long this replica may answer checks; 0: it has no lease."), gauge,
				func(g core.ReplicaGauges) float64 { return g.LeaseLeft.Seconds() },
			},
			{
				desc("keyfob_replica_renewal_age_seconds", "Seconds since the lease was last renewed, or since the start."), gauge,
				func(g core.ReplicaGauges) float64 { return g.RenewedAgo.Seconds() },
			},
			{desc("keyfob_replica_renewals_total", "Renewals of the lease."), counter, func(g core.ReplicaGauges) float64 { return float64(g.Renewals) }},
			{
				desc("keyfob_replica_renewals_failed_total", "Renewals of the lease that failed."), counter,
				func(g core.ReplicaGauges) float64 { return float64(g.RenewalsFailed) },
			},
			{
				desc("keyfob_replica_changes_applied_total", "Changes of keys that this replica took out of its memory, or had not in it."), counter,
				func(g core.ReplicaGauges) float64 { return float64(g.Applied) },
			},
			{
				desc("keyfob_changes_waiting", "Changes that wait until all replicas go by them."), gauge,
				func(g core.ReplicaGauges) float64 { return float64(g.Waiting) },
			},
		},
		waited: desc("keyfob_change_wait_seconds", "How long changes waited until all replicas went by them."),
		fleet: [3]*prometheus.Desc{
			desc("keyfob_replicas_live", "Replicas that have a lease, by the database's clock."),
			desc("keyfob_replica_changes_behind", "Changes in the log that this replica has not told to have applied."),
			desc("keyfob_changes_total", "The number of the last change in the log."),
		},
	})
}

// Describe implements prometheus.Collector.
func (m *replicaMetrics) Describe(to chan<- *prometheus.Desc) {
	for _, row := range m.rows {
		to <- row.desc
	}
	to <- m.waited
	for _, d := range m.fleet {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (m *replicaMetrics) Collect(to chan<- prometheus.Metric) {
	g, ok := m.server.Core.ReplicaGauges()
	if !ok {
		return
	}
	for _, row := range m.rows {
		to <- prometheus.MustNewConstMetric(row.desc, row.kind, row.value(g))
	}
	to <- prometheus.MustNewConstHistogram(m.waited, g.Waits.Count, g.Waits.Sum.Seconds(), g.Waits.Buckets)
	ctx, cancel := context.WithTimeout(context.Background(), fleetTimeout)
	defer cancel()
	fleet, err := m.server.Core.Fleet(ctx)
	if err != nil { // keyfob_ready says so
		return
	}
	to <- prometheus.MustNewConstMetric(m.fleet[0], prometheus.GaugeValue, float64(fleet.Live))
	to <- prometheus.MustNewConstMetric(m.fleet[1], prometheus.GaugeValue, float64(fleet.Behind))
	to <- prometheus.MustNewConstMetric(m.fleet[2], prometheus.CounterValue, float64(fleet.LastChange))
}

// fleetTimeout bounds what a scrape waits for the store.
const fleetTimeout = time.Second
