package main

import (
	"fmt"
	"strings"
	"testing"
)

func TestKeys_EachKeyHasItsName(t *testing.T) {
	var file strings.Builder
	keys := map[string]string{}
	for i := range 100 {
		key, name := newKey(), fmt.Sprintf("app-%d", i%60)
		keys[key] = name
		fmt.Fprintf(&file, "%s\t# no comment\n\n", keyLine(name, key))
	}
	table, err := parseKeys([]byte(file.String()), "keys")
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range keys {
		if name, ok := table.name(key); !ok || name != want {
			t.Errorf("got %q, %v, want %q", name, ok, want)
		}
		for _, wrong := range []string{key + "x", key[:len(key)-1], " " + key, strings.ToUpper(key), "", strings.Repeat(key, 10)} {
			if name, ok := table.name(wrong); ok {
				t.Errorf("%q is %q's", wrong, name)
			}
		}
	}
}

func TestKeys_ABrokenFileNamesTheLine(t *testing.T) {
	good := keyLine("app", "k")
	for text, want := range map[string]string{
		"":                                     "holds no key",
		"# nothing\n\n":                        "holds no key",
		good + "\nother":                       "keys:2: 1 words",
		good + " x":                            "keys:1: 3 words",
		"app pk1_abc":                          "keys:1: the second word is no SHA-256",
		"app " + strings.Repeat("a", 62):       "keys:1: the second word is no SHA-256",
		strings.Replace(good, "app", "a/b", 1): `keys:1: "a/b" cannot name a key`,
		strings.Replace(good, "app", "anonymous", 1): `keys:1: "anonymous" cannot name a key`,
		good + "\n" + keyLine("again", "k"):          "keys:2: the same key twice",
	} {
		if _, err := parseKeys([]byte(text), "keys"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestKeys_LookingUpAllocatesNothing(t *testing.T) {
	key := newKey()
	table, err := parseKeys([]byte(keyLine("app", key)), "keys")
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(1000, func() { table.name(key) }); n != 0 {
		t.Errorf("it allocates %v times", n)
	}
}

func BenchmarkKeys(b *testing.B) {
	for _, n := range []int{1, 16, maxKeys} {
		var file strings.Builder
		key := ""
		for range n {
			key = newKey()
			fmt.Fprintln(&file, keyLine("app", key))
		}
		table, err := parseKeys([]byte(file.String()), "keys")
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			for b.Loop() {
				table.name(key)
			}
		})
	}
}
