package graph

import "fmt"

// Cut leaves out what lies more than levels below t. Where there is something,
// one child of kind TreeCut says so.
func (t *Tree) Cut(levels int) { t.cut(levels, levels, t) }

// cut has still left levels to go; around is the relation or permission that t
// is a part of.
func (t *Tree) cut(levels, left int, around *Tree) {
	if t.Relation != "" {
		around = t
	}
	if left > 0 {
		for _, c := range t.Children {
			c.cut(levels, left-1, around)
		}
		return
	}
	if len(t.Children) > 0 {
		text := fmt.Sprintf("left out, because it lies more than %d levels deep; expand %s#%s by itself", levels, around.Object, around.Relation)
		t.Children = []*Tree{{Kind: TreeCut, Text: text}}
	}
}

// Cut leaves out what lies more than levels below s. Where there is something,
// one child of kind StepSkipped says so.
func (s *Step) Cut(levels int) { s.cut(levels, levels) }

func (s *Step) cut(levels, left int) {
	if left > 0 {
		for _, c := range s.Children {
			c.cut(levels, left-1)
		}
		return
	}
	if len(s.Children) > 0 {
		s.Children = []*Step{{Kind: StepSkipped, Note: fmt.Sprintf("left out, because it lies more than %d levels deep", levels)}}
	}
}
