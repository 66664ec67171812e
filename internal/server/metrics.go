package server

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	metricsPath  = "/metrics"
	unmatched    = "unmatched" // the route of what no route takes
	scrapeLimit  = 5 * time.Second
	readyTimeout = time.Second
)

// metrics counts what the service does. Labels are of small sets: no URL, no id, no name and no key is one.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	byRoute  map[string]*routeMetrics // by Request.Pattern; not written once requests come
}

// routeMetrics are the counters of one route. Each is bound at its first use: from then on counting allocates nothing, and a
// scrape shows what there was.
type routeMetrics struct {
	label    string
	seconds  prometheus.Observer
	mu       sync.Mutex
	requests atomic.Pointer[[]boundCounter]
}

type boundCounter struct {
	method string
	status int
	count  prometheus.Counter
}

func newMetrics(patterns []string) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "keyfob_http_requests_total", Help: "Requests, by route, method and status; status 0: the client left first.",
		}, []string{"route", "method", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "keyfob_http_request_duration_seconds", Help: "How long answers took, by route; streams of /mcp are left out.",
			Buckets: []float64{.00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route"}),
		byRoute: map[string]*routeMetrics{},
	}
	m.registry.MustRegister(m.requests, m.seconds, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, pattern := range patterns {
		label := pattern
		if _, path, ok := strings.Cut(pattern, " "); ok {
			label = path // the method has its own label
		}
		if label == "" {
			label = unmatched
		}
		m.byRoute[pattern] = &routeMetrics{label: label}
	}
	return m
}

// observe counts an answered request. It takes part in every check of a key.
func (m *metrics) observe(r *http.Request, status int, took time.Duration) {
	route := m.byRoute[r.Pattern]
	if route == nil {
		route = m.byRoute[""]
	}
	bound := route.bound(m, method(r.Method), status)
	bound.count.Inc()
	if route.label != mcpPath || r.Method != http.MethodGet {
		route.seconds.Observe(took.Seconds())
	}
}

func (route *routeMetrics) bound(m *metrics, method string, status int) *boundCounter {
	if b := route.find(method, status); b != nil {
		return b
	}
	route.mu.Lock()
	defer route.mu.Unlock()
	if b := route.find(method, status); b != nil {
		return b
	}
	var all []boundCounter
	if known := route.requests.Load(); known != nil {
		all = append(all, *known...)
	} else {
		route.seconds = m.seconds.WithLabelValues(route.label)
	}
	all = append(all, boundCounter{method, status, m.requests.WithLabelValues(route.label, method, strconv.Itoa(status))})
	route.requests.Store(&all)
	return &all[len(all)-1]
}

// find goes through the few methods and statuses that a route has had.
func (route *routeMetrics) find(method string, status int) *boundCounter {
	known := route.requests.Load()
	if known == nil {
		return nil
	}
	for i := range *known {
		if b := &(*known)[i]; b.status == status && b.method == method {
			return b
		}
	}
	return nil
}

// register adds what is asked for at a scrape.
func (m *metrics) register(s *Server) {
	gauge := func(name, help string, labels prometheus.Labels, value func() float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels}, value))
	}
	gauge("keyfob_build_info", "1, with the build as labels.", prometheus.Labels{"version": s.Version, "goversion": runtime.Version()},
		func() float64 { return 1 })
	gauge("keyfob_ready", "1 when /readyz answers 200.", nil, func() float64 {
		ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
		defer cancel()
		if s.draining.Load() || s.Core.Ready(ctx) != nil {
			return 0
		}
		return 1
	})
	gauge("keyfob_use_flush_lag_seconds", "Seconds since the use of keys was last written; above 15 it stays in memory.", nil,
		func() float64 { return max(0, time.Since(s.Core.UsesWrittenAt()).Seconds()) })
	gauge("keyfob_mcp_streams", "Requests that the MCP gateway has open, event streams among them.", nil, func() float64 {
		if s.Gateway == nil {
			return 0
		}
		return float64(s.Gateway.Open())
	})
	m.registerReplica(s)
	if s.TLSExpires != nil {
		gauge("keyfob_tls_certificate_expiry_timestamp_seconds", "When the TLS certificate ends.", nil,
			func() float64 { return float64(s.TLSExpires().Unix()) })
	}
	for outcome := range s.Core.Checks() {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "keyfob_checks_total", Help: "Checks of keys, by outcome.", ConstLabels: prometheus.Labels{"outcome": outcome},
		}, func() float64 { return float64(s.Core.Checks()[outcome]) }))
	}
}

// MetricsHandler answers GET /metrics and nothing else, to whoever reaches it.
func (s *Server) MetricsHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET "+metricsPath, promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelWarn), MaxRequestsInFlight: 4, Timeout: scrapeLimit,
	}))
	return mux
}

// localMetrics lets programs on this machine read the metrics: whoever comes through a proxy is none, and neither is a page that
// a browser was led to under a foreign name. To all others there is nothing here.
func (s *Server) localMetrics() access {
	scrape := s.MetricsHandler()
	return access{authProbe, func(w http.ResponseWriter, r *http.Request) error {
		host := hostOnly(r.Host)
		if !ClientAddress(r).IsLoopback() || isForwarded(r.Header) || !s.hosts[host] && !isLocalHost(host) {
			return errNothingHere()
		}
		scrape.ServeHTTP(w, r)
		return nil
	}}
}

func isLocalHost(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// isForwarded says that a proxy passed the request on.
func isForwarded(h http.Header) bool {
	for _, name := range []string{"Forwarded", "Via", "X-Real-Ip"} {
		if _, ok := h[name]; ok {
			return true
		}
	}
	for name := range h {
		if strings.HasPrefix(name, "X-Forwarded-") {
			return true
		}
	}
	return false
}
