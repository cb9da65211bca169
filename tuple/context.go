package tuple

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"time"
)

// maxContextDepth bounds the nesting of a caveat context.
const maxContextDepth = 32

// CanonicalContext checks that data is one JSON object within the limits and
// returns its canonical text: sorted keys, no blanks, numbers as written.
// Empty input and "{}" return "".
func CanonicalContext(data []byte) (string, error) {
	if len(data) == 0 {
		return "", nil
	}
	bad := func(fix string) (string, error) {
		return "", &FieldError{"caveat.context", string(data), fix}
	}
	if len(data) > 2*MaxContextLen {
		return bad("a stored context is at most 8,192 bytes")
	}
	m, err := DecodeContext(data)
	if err != nil {
		return bad(err.Error())
	}
	if len(m) == 0 {
		return "", nil
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(m); err != nil {
		return bad(err.Error())
	}
	if b.Len()-1 > MaxContextLen {
		return bad("a stored context is at most 8,192 bytes")
	}
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), nil
}

// DecodeContext decodes one JSON object; numbers stay json.Number.
func DecodeContext(data []byte) (map[string]any, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var m map[string]any
	if err := dec.Decode(&m); err != nil || m == nil {
		return nil, errors.New("a context is one JSON object, as {\"now\": 5}")
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("a context is one JSON object with nothing after it")
	}
	if depth(m) > maxContextDepth {
		return nil, errors.New("a context is nested at most 32 deep")
	}
	return m, nil
}

func depth(v any) int {
	most := 0
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			most = max(most, depth(e))
		}
	case []any:
		for _, e := range v {
			most = max(most, depth(e))
		}
	default:
		return 0
	}
	return most + 1
}

// FormatTime writes Unix nanoseconds as RFC 3339 in UTC.
func FormatTime(ns int64) string {
	return time.Unix(0, ns).UTC().Format(time.RFC3339Nano)
}
