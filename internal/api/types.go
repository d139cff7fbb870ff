package api

import (
	_ "embed"
	"time"
)

// OpenAPI describes the HTTP interface, in YAML.
//
//go:embed openapi.yaml
var OpenAPI []byte

// The paths of the HTTP interface.
const (
	PathHealth   = "/healthz"
	PathReady    = "/readyz"
	PathMetrics  = "/metrics"
	PathOpenAPI  = "/v1/openapi.yaml"
	PathServices = "/v1/services"
	PathRuns     = "/v1/runs"
	PathSets     = "/v1/sets"
)

// Ready is the answer of PathReady.
type Ready struct {
	Ready bool `json:"ready"` // as `purser health` has it
}

// Error is the answer to a request that failed.
type Error struct {
	Error ErrorDetail `json:"error"`
}

// ErrorDetail says what is wrong with a request.
type ErrorDetail struct {
	Kind    string `json:"kind"` // unauthorized, not-found, method-not-allowed, too-large, failed
	Message string `json:"message"`
}

// Services is the answer of PathServices.
type Services struct {
	Services []Service `json:"services"`
}

// Service is a service and how it fares.
type Service struct {
	ID        string    `json:"id"` // STACK/SERVICE, or the label backup.id
	State     string    `json:"state"`
	Recipe    string    `json:"recipe"`
	Image     string    `json:"image,omitempty"`  // while it runs, as the next two
	Action    string    `json:"action,omitempty"` // of the next run
	Reason    string    `json:"reason,omitempty"`
	LastGood  time.Time `json:"last_good_dump,omitzero"`
	LastTried time.Time `json:"last_tried,omitzero"`
	LastSet   time.Time `json:"last_good_set,omitzero"`
	GoneSince time.Time `json:"gone_since,omitzero"`
	Bytes     int64     `json:"bytes"` // of the last good dump
	Error     string    `json:"error,omitempty"`
}

// Runs is the answer of PathRuns, newest first.
type Runs struct {
	Runs []Run `json:"runs"`
}

// Sets is the answer of PathSets: what the target holds.
type Sets struct {
	URL        string    `json:"url"`   // without its password
	AsOf       time.Time `json:"as_of"` // the target is asked once in a while
	Chains     []Chain   `json:"chains"`
	Incomplete []Set     `json:"incomplete"`
	Orphans    []Set     `json:"orphans"`
}

// Chain is a full set and the increments that build on it.
type Chain struct {
	Profile string `json:"profile,omitempty"` // where there are profiles
	Sets    []Set  `json:"sets"`
}

// Set is one set.
type Set struct {
	Kind      string     `json:"kind"`  // full or incremental
	Start     *time.Time `json:"start"` // null for a full set
	Time      time.Time  `json:"time"`
	Volumes   int        `json:"volumes"`
	Bytes     int64      `json:"bytes"`
	Encrypted bool       `json:"encrypted"`
}
