package bench

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// Mix is the share of each operation in a mixed load. Shares are relative: 95
// and 5 mean the same as 19 and 1.
type Mix []Share

// Share is one operation of a Mix.
type Share struct {
	Op     Op
	Weight float64
}

// DefaultMix is what most services do: they ask, sometimes list, seldom write.
func DefaultMix() Mix {
	return Mix{{Check, 95}, {ListObjects, 2}, {ListSubjects, 2}, {Write, 1}}
}

// ParseMix reads "check=95,list=4,write=1". "list" stands for both lists in equal
// parts. Streams, merged checks and mixed itself cannot be mixed.
func ParseMix(text string) (Mix, error) {
	var m Mix
	for part := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		weight, err := strconv.ParseFloat(value, 64)
		if !ok || err != nil || !(weight >= 0 && weight <= 1e9) {
			return nil, fmt.Errorf("%q: a share is written OP=SHARE, as check=95", part)
		}
		switch op := Op(name); {
		case name == "list":
			m = append(m, Share{ListObjects, weight / 2}, Share{ListSubjects, weight / 2})
		case op.Valid() && op != Mixed && op != Merged && !op.streams():
			m = append(m, Share{op, weight})
		default:
			return nil, fmt.Errorf("%q cannot be mixed", name)
		}
	}
	return m, m.validate()
}

func (m Mix) validate() error {
	seen := make(map[Op]bool)
	for _, s := range m {
		if seen[s.Op] {
			return fmt.Errorf("%s has two shares", s.Op)
		}
		seen[s.Op] = true
	}
	if m.total() <= 0 {
		return fmt.Errorf("a mix needs a share that is larger than 0")
	}
	return nil
}

func (m Mix) total() float64 {
	sum := 0.0
	for _, s := range m {
		sum += s.Weight
	}
	return sum
}

// String is m as ParseMix reads it.
func (m Mix) String() string {
	var parts []string
	for _, s := range m {
		parts = append(parts, string(s.Op)+"="+strconv.FormatFloat(s.Weight, 'g', -1, 64))
	}
	return strings.Join(parts, ",")
}

// draw picks the index of a share at random, by weight.
func (m Mix) draw(r *rand.Rand, total float64) int {
	x := r.Float64() * total
	for i, s := range m {
		if x -= s.Weight; x < 0 {
			return i
		}
	}
	return len(m) - 1
}
