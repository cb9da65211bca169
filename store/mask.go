package store

// ObjectMask returns the shapes that object may have tuples of.
func (v View) ObjectMask(object Node) ShapeMask { return v.g.mask(object, forward) }

// Mask returns the mask that has only that shape, and those that share its bit.
func (shape ShapeID) Mask() ShapeMask { return 1 << (shape & 63) }
