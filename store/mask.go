package store

// ObjectMask returns the shapes that object may have tuples of.
func (v View) ObjectMask(object Node) ShapeMask {
	if object == 0 {
		return 0
	}
	return ShapeMask(v.g.nodes.at(uint32(object)).rows[forward].Load())
}

// Mask returns the mask that has only that shape, and those that share its bit.
func (shape ShapeID) Mask() ShapeMask { return 1 << (shape & 63) }
