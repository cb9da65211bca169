package iam

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// A span holds the numbers from min to max.
type span struct {
	min, max int64
	text     string // as the definition says it
}

func (s *span) has(n int64) bool { return s.min <= n && n <= s.max }

// countSpan reads a span of numbers, as definitions write it: "1-63", "<=256",
// ">0", "5". "" is none.
func countSpan(text string) *span {
	return parseSpan(text, func(bound string) (int64, error) { return strconv.ParseInt(bound, 10, 64) })
}

// timeSpan reads a span of times, "FROM-TO", in seconds since 1970.
func timeSpan(text string) *span {
	return parseSpan(text, func(bound string) (int64, error) {
		t, err := time.Parse("20060102T150405.999999999", bound)
		return t.Unix(), err
	})
}

func parseSpan(text string, parse func(string) (int64, error)) *span {
	if text == "" {
		return nil
	}
	bound := func(of string) int64 {
		n, err := parse(of)
		if err != nil {
			panic(fmt.Sprintf("span %q: %v", text, err))
		}
		return n
	}
	s := &span{math.MinInt64, math.MaxInt64, text}
	switch {
	case strings.HasPrefix(text, "<="):
		s.max = bound(text[2:])
	case strings.HasPrefix(text, ">="):
		s.min = bound(text[2:])
	case strings.HasPrefix(text, "<"):
		s.max = bound(text[1:]) - 1
	case strings.HasPrefix(text, ">"):
		s.min = bound(text[1:]) + 1
	default:
		from, to, ok := strings.Cut(text, "-")
		if !ok {
			to = from
		}
		s.min, s.max = bound(from), bound(to)
	}
	return s
}
