// Package daemon is purser's composition root: it joins discovery, dumps and
// the engine into one run, keeps the run's journal, and starts runs on their
// schedule.
//
// Its state lies in BACKUP_ARCHIVE_DIR/state:
//
//	daemon.lock    held by the daemon as long as it lives
//	run.lock       held by whoever dumps or backs up
//	daemon.json    the daemon's start and its next run
//	run.json       the journal of the run that is under way
//	last-run.json  the last run, the last good ones, and every service
//	jobs.json      what a run has left to the next one because its time was up
//	services.json  what the daemon sees on Docker between runs
//
// Each .json file has a version; one of an unknown version is refused.
package daemon
