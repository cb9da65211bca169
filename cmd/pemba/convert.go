package main

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

func objectMessage(o tuple.Object) *pb.Object { return &pb.Object{Type: o.Type, Id: o.ID} }

func subjectMessage(s tuple.Subject) *pb.Subject {
	return &pb.Subject{Type: s.Type, Id: s.ID, Relation: s.Relation}
}

func tupleMessage(t tuple.Tuple) *pb.Tuple {
	m := &pb.Tuple{Object: objectMessage(t.Object), Relation: t.Relation, Subject: subjectMessage(t.Subject)}
	if t.Caveat != "" {
		m.Caveat = &pb.Caveat{Name: t.Caveat, ContextJson: t.Context}
	}
	if t.Expires != 0 {
		m.Expires = timestamppb.New(time.Unix(0, t.Expires))
	}
	return m
}

func tupleFrom(m *pb.Tuple) tuple.Tuple {
	t := tuple.Tuple{
		Object:   tuple.Object{Type: m.GetObject().GetType(), ID: m.GetObject().GetId()},
		Relation: m.GetRelation(),
		Subject: tuple.Subject{
			Type: m.GetSubject().GetType(), ID: m.GetSubject().GetId(), Relation: m.GetSubject().GetRelation(),
		},
		Caveat:  m.GetCaveat().GetName(),
		Context: m.GetCaveat().GetContextJson(),
	}
	if m.GetExpires() != nil {
		t.Expires = m.GetExpires().AsTime().UnixNano()
	}
	return t
}

func filterMessage(f tuple.Filter) *pb.TupleFilter {
	m := &pb.TupleFilter{Type: f.Type, Id: f.ID, Relation: f.Relation}
	if f.SubjectType != "" {
		m.Subject = &pb.SubjectFilter{Type: f.SubjectType, Id: f.SubjectID, Relation: f.SubjectRelation}
	}
	return m
}

// tupleJSON is a tuple as commands print it with --json.
type tupleJSON struct {
	Object   string          `json:"object"`
	Relation string          `json:"relation"`
	Subject  string          `json:"subject"`
	Caveat   string          `json:"caveat,omitempty"`
	Context  json.RawMessage `json:"context,omitempty"`
	Expires  string          `json:"expires,omitempty"`
}

func jsonTuple(t tuple.Tuple) tupleJSON {
	j := tupleJSON{
		Object: t.Object.String(), Relation: t.Relation, Subject: t.Subject.String(),
		Caveat: t.Caveat, Context: json.RawMessage(t.Context),
	}
	if t.Expires != 0 {
		j.Expires = tuple.FormatTime(t.Expires)
	}
	return j
}

// printJSON writes v as one line.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// printText writes text that people read.
func printText(w io.Writer, text string) error {
	_, err := io.WriteString(w, wholeLines(text))
	return err
}

// wholeLines ends the last line of text.
func wholeLines(text string) string {
	if text == "" || strings.HasSuffix(text, "\n") {
		return text
	}
	return text + "\n"
}

// printMessage writes m, with the fields that are not set, as one line of JSON.
func printMessage(w io.Writer, m proto.Message) error {
	return printProto(w, m, protojson.MarshalOptions{UseProtoNames: true, EmitUnpopulated: true})
}

// printTree writes m, without the fields that are not set, as one line of JSON.
func printTree(w io.Writer, m proto.Message) error {
	return printProto(w, m, protojson.MarshalOptions{UseProtoNames: true})
}

// printProto is for both; protojson's own spacing varies.
func printProto(w io.Writer, m proto.Message, how protojson.MarshalOptions) error {
	data, err := how.Marshal(m)
	if err != nil {
		return err
	}
	var line bytes.Buffer
	if err := json.Compact(&line, data); err != nil {
		return err
	}
	line.WriteByte('\n')
	_, err = line.WriteTo(w)
	return err
}
