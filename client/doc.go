// Package client is how Go programs talk to pemba.
//
//	c, err := client.Dial(client.Config{Addrs: []string{"10.0.0.1:50051", "10.0.0.2:50051"}, Key: key, TLS: &tls.Config{}})
//	...
//	answer, err := c.Check(ctx, client.CheckRequest{Object: document, Permission: "view", Subject: user})
//	if err == nil && answer.Allowed() {
//
// A Client is given some servers of one cluster and goes from one to the next by
// itself: it remembers which answer, tries those that do not again in the
// background, repeats what is safe to repeat within the caller's deadline, and
// sends a read that finds no answer to another server, too. Writes carry a
// request id, so that repeating one carries it out once.
//
// Checks that are under way at the same time share messages (Config.Merge), which
// costs both sides a fraction of sending each by itself; their callers see no
// difference. So there is no need to collect questions for a batch, unless they
// must be answered at one view.
//
// Make one Client for a program. It may be used from any goroutine. Every error
// of its methods that comes from a server or from the way to it is an *Error.
package client
