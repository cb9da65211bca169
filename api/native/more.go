package native

import "google.golang.org/grpc"

// MoreService is a service of another front door, which shares the server and
// its guard. Its errors are those of package authz, or statuses of its own.
type MoreService struct {
	Desc *grpc.ServiceDesc
	Impl any

	// SelfAuthenticating says that callers show the service itself who they are,
	// so that Keys are not asked.
	SelfAuthenticating bool

	// Question says that the service only asks, as PermissionService does: its
	// requests share the bytes that are kept for questions, and it is not told
	// whose key a request came with.
	Question bool

	// MaxRequestBytes bounds one request message, before it is made objects of: who
	// authenticates in the handler is a stranger until then. 0 = Config.MaxRequestBytes.
	MaxRequestBytes int
}

// around returns g for one of the services of others.
func (g guard) around(m MoreService) guard {
	g.question, g.most = m.Question, m.MaxRequestBytes
	if m.SelfAuthenticating {
		g.keys = nil
	}
	return g
}
