// Package api holds what purser tells other programs: the wire types of its
// HTTP interface, a client for it, and the OpenAPI document that describes it.
// The record of a run is also what state files, notifications and
// `purser runs` are made of.
package api
