package credential

// A hidden value is one that fmt cannot print, whatever it is part of and whatever
// the verb: fmt looks into unexported fields without asking for their methods, and
// follows their pointers when the verb does not fit, but it calls no function.
type hidden[T any] func() T

func hide[T any](v T) hidden[T] { return func() T { return v } }
