package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"

	"github.com/purser-backup/purser/engine/storage"
	"github.com/purser-backup/purser/internal/api"
	"github.com/purser-backup/purser/internal/bug"
)

const (
	metricsType = "text/plain; version=0.0.4; charset=utf-8"
	// maxServices bounds the series. Services beyond are counted only.
	maxServices = 1000
)

// metrics makes what /metrics shows. All of it comes from the state files, so
// that it survives a restart and has the runs of `purser run` too.
type metrics struct {
	*Daemon
	registry *prometheus.Registry
	desc     map[string]*prometheus.Desc
}

// described are the metrics: name, help and labels.
func described() []struct {
	name, help string
	labels     []string
} {
	service, target, profile := []string{"service"}, []string{"target"}, []string{"profile"}
	return []struct {
		name, help string
		labels     []string
	}{
		{"purser_service_last_success_timestamp_seconds", "When the last good dump of the service ended.", service},
		{"purser_service_last_attempt_timestamp_seconds", "When the last dump of the service was tried.", service},
		{"purser_service_last_dump_success", "1 if the last dump of the service was good, else 0.", service},
		{"purser_service_dump_bytes", "Size of the last good dump of the service.", service},
		{"purser_service_dump_duration_seconds", "How long the dump of the service took in the last run.", service},
		{"purser_services", "Number of services in each state.", []string{"state"}},
		{"purser_services_omitted", "Number of services without series of their own, since there are too many.", nil},
		{"purser_backup_last_success_timestamp_seconds", "When the last complete run ended.", target},
		{"purser_backup_last_attempt_timestamp_seconds", "When the last run began.", target},
		{"purser_backup_age_seconds", "Time since the last complete run ended.", target},
		{"purser_backup_last_status", "1 for how the last run ended, 0 for the others.", []string{"target", "status"}},
		{"purser_backup_last_duration_seconds", "How long the last run took.", target},
		{"purser_backup_last_uploaded_bytes", "What the last backup uploaded.", target},
		{"purser_backup_last_source_bytes", "Size of the source at the last backup.", target},
		{"purser_backup_last_source_files", "Number of files in the source at the last backup.", target},
		{"purser_backup_next_run_timestamp_seconds", "When the next run is due.", target},
		{"purser_backup_running", "1 while a run is under way, else 0.", target},
		{"purser_backup_healthy", "1 if the runs are good, as `purser health` has it, else 0.", target},
		{"purser_backup_runs_total", "Number of runs that ended so.", []string{"target", "status"}},
		{"purser_target_chains", "Number of chains on the target after the last run.", target},
		{"purser_target_sets", "Number of sets on the target after the last run.", target},
		{"purser_target_bytes", "Size of the sets on the target after the last run.", target},
		{"purser_target_uploaded_bytes", "What the last run stored on each of several targets.", target},
		{"purser_target_pruned_sets", "Number of sets that the last run pruned on each of several targets.", target},
		{"purser_target_behind", "1 for one of several targets that lacks what the others hold, else 0.", target},
		{"purser_profile_last_backup_timestamp_seconds", "When the last backup of a profile was made.", profile},
		{"purser_profile_sets", "Number of sets of a profile after the last run that it was due in.", profile},
		{"purser_profile_next_run_timestamp_seconds", "When a profile is due.", profile},
		{"purser_target_free_bytes", "Free space of a target in a local directory.", target},
		{"purser_target_size_bytes", "Space of the file system of a target in a local directory.", target},
		{"purser_verify_last_timestamp_seconds", "When `purser verify` last ended.", target},
		{"purser_verify_last_success", "1 if the last `purser verify` found everything whole, else 0.", target},
		{"purser_docker_up", "1 if the daemon reaches Docker, else 0.", nil},
		{"purser_alert_active", "1 while something of the kind is wrong, else 0.", []string{"kind"}},
		{"purser_notification_failing", "1 for a way to notify people that doesn't work.", []string{"notification"}},
		{"purser_notifications_pending", "Number of notifications that wait to be delivered.", nil},
	}
}

func (d *Daemon) newMetrics() *metrics {
	m := &metrics{Daemon: d, registry: prometheus.NewRegistry(), desc: map[string]*prometheus.Desc{}}
	for _, one := range described() {
		m.desc[one.name] = prometheus.NewDesc(one.name, one.help, one.labels, nil)
	}
	m.registry.MustRegister(m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// answer is a page for Prometheus.
func (m *metrics) answer(context.Context) (int, []byte, error) {
	families, err := m.registry.Gather()
	if err != nil {
		return 0, nil, fmt.Errorf("gather metrics: %w", err)
	}
	var page bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&page, f); err != nil {
			return 0, nil, fmt.Errorf("write metrics: %w", err)
		}
	}
	return http.StatusOK, page.Bytes(), nil
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range m.desc {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(to chan<- prometheus.Metric) {
	s := &scrape{metrics: m, to: to, now: m.now(), target: m.URL()}
	if err := bug.Guard(s.collect)(); err != nil { // it runs in a goroutine of the library
		to <- prometheus.NewInvalidMetric(m.desc["purser_services"], err)
	}
}

// scrape is one look at the state.
type scrape struct {
	*metrics
	to     chan<- prometheus.Metric
	now    time.Time
	target string
}

func (s *scrape) gauge(name string, v float64, labels ...string) {
	s.send(name, prometheus.GaugeValue, v, labels)
}

func (s *scrape) send(name string, kind prometheus.ValueType, v float64, labels []string) {
	for i, l := range labels {
		labels[i] = strings.ToValidUTF8(l, "\uFFFD")
	}
	m, err := prometheus.NewConstMetric(s.desc[name], kind, v, labels...)
	if err != nil {
		m = prometheus.NewInvalidMetric(s.desc[name], err)
	}
	s.to <- m
}

// at is a gauge of a moment, which is left out where there was none.
func (s *scrape) at(name string, t time.Time, labels ...string) {
	if !t.IsZero() {
		s.gauge(name, float64(t.UnixMilli())/1000, labels...)
	}
}

func (s *scrape) flag(name string, v bool, labels ...string) {
	n := 0.0
	if v {
		n = 1
	}
	s.gauge(name, n, labels...)
}

func (s *scrape) collect() error {
	status, err := ReadStatus(s.cfg, s.now)
	if err != nil {
		return err
	}
	past, err := s.state.loadRuns()
	if err != nil {
		return err
	}
	told, err := s.state.loadTold()
	if err != nil {
		return err
	}
	checked, err := s.state.loadVerification()
	if err != nil {
		return err
	}
	s.services(&status)
	s.backup(&status)
	for _, r := range []Result{Complete, Incomplete, Failed, Interrupted} {
		s.send("purser_backup_runs_total", prometheus.CounterValue, float64(past.Counts[r]), []string{s.target, string(r)})
	}
	s.space()
	if !checked.Ended.IsZero() {
		s.at("purser_verify_last_timestamp_seconds", checked.Ended, s.target)
		s.flag("purser_verify_last_success", checked.Whole, s.target)
	}
	s.flag("purser_docker_up", status.Docker != nil && status.Docker.Lost.IsZero())
	for _, kind := range alertKinds() {
		s.flag("purser_alert_active", slices.ContainsFunc(told.Alerts, func(a Alert) bool { return a.Kind == kind }), kind)
	}
	for _, f := range told.Failures {
		s.gauge("purser_notification_failing", 1, f.Service)
	}
	s.gauge("purser_notifications_pending", float64(len(told.Pending)))
	return nil
}

func (s *scrape) services(status *Status) {
	counts := map[State]int{}
	took := map[string]time.Duration{}
	if last := status.LastRun; last != nil {
		for _, d := range last.Services {
			took[d.ID] = d.Ended.Sub(d.Started)
		}
	}
	for i, one := range status.Services {
		counts[one.State]++
		if i >= maxServices || one.LastTried.IsZero() {
			continue
		}
		s.at("purser_service_last_success_timestamp_seconds", one.LastGood, one.ID)
		s.at("purser_service_last_attempt_timestamp_seconds", one.LastTried, one.ID)
		s.flag("purser_service_last_dump_success", one.Error == "", one.ID)
		s.gauge("purser_service_dump_bytes", float64(one.Bytes), one.ID)
		if d, ok := took[one.ID]; ok {
			s.gauge("purser_service_dump_duration_seconds", d.Seconds(), one.ID)
		}
	}
	for _, state := range []State{StateFailed, StateDown, StateGone, StateWaiting, StateUncovered, StateSkipped, StateGood} {
		s.gauge("purser_services", float64(counts[state]), string(state))
	}
	s.gauge("purser_services_omitted", float64(max(0, len(status.Services)-maxServices)))
}

func (s *scrape) backup(status *Status) {
	if good := status.lastGood; !good.IsZero() {
		s.at("purser_backup_last_success_timestamp_seconds", good, s.target)
		s.gauge("purser_backup_age_seconds", s.now.Sub(good).Seconds(), s.target)
	}
	if last := status.LastRun; last != nil {
		s.at("purser_backup_last_attempt_timestamp_seconds", last.Started, s.target)
		s.gauge("purser_backup_last_duration_seconds", last.Ended.Sub(last.Started).Seconds(), s.target)
		for _, r := range []Result{Complete, Incomplete, Failed, Interrupted} {
			s.flag("purser_backup_last_status", last.Result == r, s.target, string(r))
		}
	}
	if b := status.LastBackup; b != nil {
		s.gauge("purser_backup_last_uploaded_bytes", float64(b.UploadedBytes), s.target)
		s.gauge("purser_backup_last_source_bytes", float64(b.SourceBytes), s.target)
		s.gauge("purser_backup_last_source_files", float64(b.Files), s.target)
	}
	if k := status.kept; k != nil && len(status.Targets) == 0 {
		s.kept(*k, s.target)
	}
	for _, t := range status.Targets {
		s.kept(t.Kept, t.URL)
		s.gauge("purser_target_uploaded_bytes", float64(t.UploadedBytes), t.URL)
		s.gauge("purser_target_pruned_sets", float64(t.PrunedSets), t.URL)
		s.flag("purser_target_behind", t.Error != "", t.URL)
	}
	for _, p := range status.Profiles {
		if p.LastBackup != nil {
			s.at("purser_profile_last_backup_timestamp_seconds", p.LastBackup.Ended, p.Profile)
		}
		if p.Kept != nil {
			s.gauge("purser_profile_sets", float64(p.Kept.Sets), p.Profile)
		}
		s.at("purser_profile_next_run_timestamp_seconds", p.Next, p.Profile)
	}
	s.at("purser_backup_next_run_timestamp_seconds", status.NextRun, s.target)
	s.flag("purser_backup_running", status.Running != nil, s.target)
	s.flag("purser_backup_healthy", Health(s.cfg, s.now) == nil, s.target)
}

func (s *scrape) kept(k api.Kept, target string) {
	s.gauge("purser_target_chains", float64(k.Chains), target)
	s.gauge("purser_target_sets", float64(k.Sets), target)
	s.gauge("purser_target_bytes", float64(k.Bytes), target)
}

// space is that of targets in local directories.
func (s *scrape) space() {
	for _, raw := range s.cfg.Targets() {
		dir := localTarget(raw.Reveal())
		if dir == "" {
			continue
		}
		left, err := s.room(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist): // before the first backup
		case err != nil:
			s.log.Debug("the free space of the target is unknown", "error", err)
		default:
			s.gauge("purser_target_free_bytes", float64(left.free), storage.Redact(raw.Reveal()))
			s.gauge("purser_target_size_bytes", float64(left.total), storage.Redact(raw.Reveal()))
		}
	}
}
