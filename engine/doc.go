// Package engine writes, reads and lists encrypted incremental backups in the
// archive format of duplicity.
//
// The terms are duplicity's. A backup run writes a set: a full set, or an
// increment on the set before it. A full set and the increments that follow it
// are a chain. A set consists of volumes (the data, as a tar archive called
// difftar), one signature archive (sigtar: what the next increment is computed
// against) and one manifest (which volumes there are, with their hashes). The
// manifest is uploaded last: a set without a manifest does not exist.
//
// The archive directory is a local copy of manifests and signatures in plain
// form. It spares downloads and lets a backup run without a secret key. What
// lies on the target is authoritative.
//
// A path is relative to the root of the source: components joined by '/', raw
// bytes, and "" for the root itself. Paths are ordered component by component
// ("index order"), which is not the order of the plain strings.
package engine
