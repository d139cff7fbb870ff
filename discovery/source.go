package discovery

import "context"

// Source lists services and tells when to list again. There is one for each
// kind of orchestrator. Implementations are safe for concurrent use.
type Source interface {
	// Services returns what runs now. A container that is gone between two
	// calls of the listing is left out without a problem.
	Services(ctx context.Context) ([]Service, []Problem, error)

	// Changes subscribes, sends one signal, and then one after each change
	// until ctx ends or the subscription is lost; it returns the reason.
	// Signals coalesce: a send that would block is dropped, so changed needs
	// room for one. Because the first signal follows the subscription, a
	// caller that lists on each signal misses nothing.
	Changes(ctx context.Context, changed chan<- struct{}) error
}
