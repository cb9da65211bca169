package cluster

import (
	"math/rand/v2"
	"testing"
)

// gaps agrees with a plain list of what each index holds.
func TestGaps_AgreesWithPlainList(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var g gaps
		isCommand := []bool{true} // index 0 stands for "none"
		for range 100 {
			switch rng.IntN(10) {
			case 0: // a new leader overrules the tail
				from := 1 + rng.IntN(len(isCommand))
				isCommand = isCommand[:from]
				g.cut(uint64(from))
			default:
				c := rng.IntN(3) > 0
				if !c {
					g.add(uint64(len(isCommand)), uint64(len(isCommand)))
				}
				isCommand = append(isCommand, c)
			}
			for i := range isCommand {
				want := i
				for !isCommand[want] {
					want--
				}
				if got := g.lastCommand(uint64(i)); got != uint64(want) {
					t.Fatalf("last command at or below %d: %d, want %d in %v", i, got, want, isCommand)
				}
			}
		}
	}
}

func TestGaps_SnapshotRulesWhatItCovers(t *testing.T) {
	var g gaps
	g.add(3, 3)
	g.restored(10, 7) // 8, 9 and 10 held no command
	g.add(11, 11)
	g.cut(9) // an older log's tail
	g.add(11, 11)
	for index, want := range map[uint64]uint64{6: 6, 7: 7, 8: 7, 10: 7, 11: 7, 12: 12} {
		if got := g.lastCommand(index); got != want {
			t.Errorf("last command at or below %d: %d, want %d", index, got, want)
		}
	}
}
