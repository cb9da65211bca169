package catalogue

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pemba-authz/pemba/store"
)

// small is a catalogue with a bit of everything; %s are further rows.
const small = `catalogue 1
# a comment
[kinds]
a.thing	a.things	-
a.part	a.parts	a.thing
[verbs]
a	things	audit	get list listOperations listAccessBindings
a	things	edit	create update use
a	things	admin	delete updateAccessBindings
a	things	apart	own
a	parts	audit	get list listOperations listAccessBindings
a	parts	read	open
a	parts	edit	create update delete use
a	parts	admin	updateAccessBindings
[roles]
a.viewer	-	*	-	read
a.parts.editor	a.viewer	a.*	-	edit
a.owner	a.parts.editor	a.thing	owner	own
a.mystery	-	*	-	?
[grants]
a.owner	a@admin a.things.own -a.things.create
`

func TestParse_Small(t *testing.T) {
	c, err := Parse([]byte(small))
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{
		"a.viewer":       "a.parts.get a.parts.list a.parts.listAccessBindings a.parts.listOperations a.parts.open a.things.get a.things.list a.things.listAccessBindings a.things.listOperations",
		"a.parts.editor": "a.parts.create a.parts.delete a.parts.get a.parts.list a.parts.listAccessBindings a.parts.listOperations a.parts.open a.parts.update a.parts.use a.things.get a.things.list a.things.listAccessBindings a.things.listOperations",
		"a.owner":        "a.parts.create a.parts.delete a.parts.get a.parts.list a.parts.listAccessBindings a.parts.listOperations a.parts.open a.parts.update a.parts.updateAccessBindings a.parts.use a.things.delete a.things.get a.things.list a.things.listAccessBindings a.things.listOperations a.things.own a.things.update a.things.updateAccessBindings a.things.use",
		"a.mystery":      "",
	} {
		r, ok := c.Role(id)
		if !ok || strings.Join(r.Permissions, " ") != want {
			t.Errorf("%s: %+v", id, r)
		}
		if r.Known != (want != "") || r.Owner != (id == "a.owner") {
			t.Errorf("%s: known %v, owner %v", id, r.Known, r.Owner)
		}
	}
	for id, want := range map[string][]string{"a.viewer": nil, "a.parts.editor": {"a.part", "a.thing"}, "a.owner": {"a.thing"}} {
		if r, _ := c.Role(id); !slices.Equal(r.Kinds, want) || (r.Kinds == nil) != (want == nil) {
			t.Errorf("%s: kinds %v", id, r.Kinds)
		}
	}
}

func TestParse_SaysWhereAndWhat(t *testing.T) {
	line := func(old, new string) string {
		if !strings.Contains(small, old) {
			t.Fatalf("no %q in the text", old)
		}
		return strings.Replace(small, old, new, 1)
	}
	for name, c := range map[string]struct{ text, want string }{
		"empty":                {"", "the section [grants] is missing"},
		"first line":           {"hello\n", `line 1: the first line has to be "catalogue 1"`},
		"section":              {line("[verbs]", "[verb]"), "line 6: \"[verb]\" is no section"},
		"section twice":        {small + "[kinds]\n", "line 22: \"[kinds]\" is no section or stands here again"},
		"no section":           {"catalogue 1\na\tb\n", "line 2: a section"},
		"fields":               {line("a.viewer\t-\t*\t-\tread", "a.viewer\t-"), "line 16: a row of [roles] has 5 fields with tabs between, this has 2"},
		"empty field":          {line("a.viewer\t-\t*", "a.viewer\t\t*"), "line 16: an empty field"},
		"tier":                 {line("read\topen", "red\topen"), `line 12: "red" is no tier`},
		"permission":           {line("open", "o_pen"), `line 12: "a.parts.o_pen" is no permission`},
		"long permission":      {line("open", strings.Repeat("o", 80)), "at most 64 bytes"},
		"permission twice":     {line("open", "get"), "line 12: the permission a.parts.get stands here again"},
		"kind":                 {line("a.part\t", "part\t"), `line 5: "part" is no kind`},
		"kind twice":           {line("a.part\t", "a.thing\t"), "line 5: the kind a.thing stands here again"},
		"kind lacks":           {line("a\tparts\tadmin\tupdateAccessBindings\n", ""), "line 5: the kind a.part needs the permission a.parts.updateAccessBindings"},
		"parent":               {line("a.parts\ta.thing", "a.parts\ta.box"), `line 5: "a.box", where a.part may stand in, is no kind`},
		"role id":              {line("a.viewer\t-", "a_viewer\t-"), `line 16: "a_viewer" is no role id`},
		"reserved":             {line("a.mystery", "r.mystery"), `line 19: "r.mystery" is no role id`},
		"keyword":              {line("a.mystery", "nil"), `line 19: "nil" is no role id`},
		"role twice":           {line("a.mystery", "a.viewer"), "the role a.viewer stands here again"},
		"role is permission":   {line("a.mystery", "a.parts.open"), "line 19: a.parts.open is a permission"},
		"flag":                 {line("\towner\t", "\tboss\t"), `line 18: "boss" is no flag`},
		"kind of role":         {line("\ta.thing\towner", "\ta.box\towner"), `line 18: "a.box" is no kind`},
		"service of role":      {line("\ta.*", "\tb.*"), `line 17: "b.*" stands for no kind`},
		"includes":             {line("a.parts.editor\ta.viewer", "a.parts.editor\tb.viewer"), "line 17: a.parts.editor includes \"b.viewer\", which is no role"},
		"circle":               {line("a.viewer\t-", "a.viewer\ta.owner"), "which includes it in turn"},
		"grants of no role":    {line("a.owner\ta@admin", "b.owner\ta@admin"), `line 21: "b.owner" is no role of [roles]`},
		"grants twice":         {small + "a.owner\t-\n", "line 22: the role a.owner stands here again"},
		"selector":             {line("a@admin", "b@admin"), `line 21: "b@admin" selects no permission`},
		"selector of apart":    {line("a@admin", "a@apart"), `line 21: "a@apart" selects no permission`},
		"selector of one word": {line("a@admin", "*"), `line 21: "*" selects no permission`},
		"selector in front":    {line("a@admin", "*.things.get"), `line 21: "*.things.get" selects no permission`},
		"nothing to take":      {line("-a.things.create", "-a.things.paint"), `line 21: "-a.things.paint" takes no permission away`},
		"comes back":           {line("-a.things.create", "-a.things.get"), "line 18: a.owner must not have a.things.get, which a role that it includes brings back"},
		"not UTF-8":            {small + "#\xff\n", "not UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestParse_HasLimits(t *testing.T) {
	rows := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	in := func(section, more string) string {
		return strings.Replace(small, "["+section+"]\n", "["+section+"]\n"+more, 1)
	}
	for name, c := range map[string]struct{ text, want string }{
		"bytes":        {small + strings.Repeat("#\n", maxSource/2), "bytes, the limit is"},
		"kinds":        {in("kinds", rows(maxKinds, "a.k%d\ta.things\t-\n")), "more than 4000 kinds"},
		"permissions":  {in("verbs", rows(maxPermissions, "b\tc\tread\tv%d\n")), "more than 20000 permissions"},
		"roles":        {in("roles", rows(maxRoles, "a.r%d\t-\t*\t-\tx\n")), "more than 4000 roles"},
		"includes":     {strings.Replace(small, "a.viewer\ta.*", strings.Repeat("a.viewer ", maxIncludes+1)+"\ta.*", 1), "includes more than 100 roles"},
		"description":  {strings.Replace(small, "\t?", "\t"+strings.Repeat("?", maxDescription+1), 1), "longer than 1000 bytes"},
		"kinds named":  {strings.Replace(small, "\ta.*", "\t"+strings.Repeat("a.* ", maxKinds+1), 1), "named too often"},
		"selectors":    {small + "a.mystery\t" + strings.Repeat("a@read ", maxSelectors) + "\n", "more than 10000 words of grants"},
		"all granted":  {strings.Replace(in("verbs", rows(3000, "b\tc\tread\tv%d\n")), "[roles]\n", "[roles]\n"+rows(1000, "b.r%d\t-\t*\t-\tx\n"), 1) + rows(1000, "b.r%d\tb@read\n"), "grant more than 2000000 permissions"},
		"shared often": {strings.Replace(in("verbs", rows(3000, "b\tc\tread\tv%d\n")), "[roles]\n", "[roles]\n"+manyShares(600), 1) + manyGrants(600), "bytes of schema"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// manyShares and manyGrants make each permission one that other roles hold.
func manyShares(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "b.role-with-a-long-name-%d\t-\t*\t-\tx\n", i)
	}
	return b.String()
}

func manyGrants(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "b.role-with-a-long-name-%d\tb@read -b.c.v%d -b.c.v%d\n", i, i, i*5)
	}
	return b.String()
}

func TestParse_GlobsLeaveOutWhatIsApart(t *testing.T) {
	for _, grant := range []string{"@admin", "a@admin", "a.things@admin", "a.things.*", "a.*.*", "*.*.*"} {
		c, err := Parse([]byte(small + "a.mystery\t" + grant + "\n"))
		if err != nil {
			t.Fatal(err)
		}
		if r, _ := c.Role("a.mystery"); r.Has("a.things.own") || !r.Has("a.things.delete") {
			t.Errorf("%s grants %v", grant, r.Permissions)
		}
	}
	c, err := Parse([]byte(small + "a.mystery\ta.*.own a.things.own\n"))
	if err == nil {
		t.Errorf("a pattern that selects only what is apart was taken: %v", c.Roles())
	}
}

func TestParse_RolesOfTheSameHoldersShareAClass(t *testing.T) {
	c, err := Parse([]byte(small))
	if err != nil {
		t.Fatal(err)
	}
	text := c.Schema(nil)
	for _, want := range []string{
		"\trelation r.a.owner: iam.userAccount | iam.serviceAccount | iam.federatedUser | iam.group#member | iam.system\n",
		"\tpermission c.x0 = r.a.mystery + parent->c.x0\n",
		"\tpermission c.x3 = r.a.owner + r.a.parts.editor + r.a.viewer + parent->c.x3\n",
		"\tpermission a.viewer = c.x3\n\tpermission a.parts.create = c.x2\n",
		"\tpermission a.things.create = nil\n",
		"\tpermission a.things.own = c.x1\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(small))
	f.Add(ShippedSource()[:20_000])
	f.Fuzz(func(t *testing.T, source []byte) {
		if len(source) > 1<<16 {
			return
		}
		c, err := Parse(source)
		if err != nil {
			return
		}
		text := c.Schema([]CustomRole{{ID: "mine", Permissions: c.Permissions()}})
		if text != c.Schema([]CustomRole{{ID: "mine", Permissions: c.Permissions()}}) {
			t.Error("the schema is not the same twice")
		}
		if len(text) < 1<<20 {
			compile(t, text, store.New(store.Options{}).Symbols())
		}
	})
}
