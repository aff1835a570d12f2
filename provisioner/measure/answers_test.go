package measure

import (
	"fmt"
	"strings"
	"testing"
)

func TestFields(t *testing.T) {
	for _, c := range []struct{ body, path, want string }{
		{`{"code":0,"data":{"totalPads":7}}`, "data.totalPads", "7"},
		{`{"data":{"a":[1,{"n":"12"}]}}`, "data.a.1.n", "12"},
		{`[3,4]`, "1", "4"},
		{`{"a":{"b":1,"c":{"b":2}},"b":9007199254740993}`, "b", "9007199254740993"},
		{` {"":5} `, "", "5"},
		{`{"a b":{"é":1e3}}`, "a b.é", "1e3"},
	} {
		if got, err := field([]byte(c.body), c.path); err != nil || got != c.want {
			t.Errorf("%s at %s: %q, %v", c.body, c.path, got, err)
		}
	}
	for _, c := range []struct{ name, body, path, words string }{
		{"HTML", "\n <!doctype html><title>Sign in</title>", "a", "HTML"},
		{"nothing", "", "a", "no whole JSON"},
		{"cut short", `{"a":{"b":1}`, "a.b", "no whole JSON"},
		{"no JSON", `a=1`, "a", "no JSON"},
		{"more after it", `{"a":1}{"a":2}`, "a", "something follows"},
		{"broken after the field", `{"a":1,"b":}`, "a", "no JSON"},
		{"another field", `{"x":1,"y":2}`, "a", `no "a" (it holds x, y)`},
		{"deeper field", `{"a":{"x":1}}`, "a.b", `a holds no "b"`},
		{"twice", `{"a":1,"a":2}`, "a", "twice"},
		{"twice, above", `{"a":{"b":1},"a":{"b":2}}`, "a.b", "twice"},
		{"null", `{"a":null}`, "a", "a is null"},
		{"true", `{"a":true}`, "a", "true or false"},
		{"object", `{"a":{"b":1}}`, "a", "an object"},
		{"list", `{"a":[1,2]}`, "a", "a list"},
		{"number above", `{"a":3}`, "a.b", "it is a number"},
		{"short list", `[1]`, "3", "a list of 1"},
		{"name in a list", `[1]`, "b", "a list of 1"},
		{"deep", strings.Repeat("[", 5000) + strings.Repeat("]", 5000), "9", "deep"},
		{"deep object", strings.Repeat(`{"b":`, 5000) + "1" + strings.Repeat("}", 5000), "a", "deep"},
	} {
		got, err := field([]byte(c.body), c.path)
		if err == nil || got != "" || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %q, %v; want %q", c.name, got, err, c.words)
		}
	}
}

const exposition = `# HELP pads Pads there are.
# TYPE pads gauge
pads{group="a \"b\" {c}"} 3
pads{group="\\d"} 4 1700000000000
# TYPE requests_total counter
requests_total{code="200"} 1.027e+03
requests_total{code="500"} 3
untyped_thing 12
# TYPE seconds histogram
seconds_bucket{le="0.1"} 5
seconds_bucket{le="+Inf"} 9
seconds_sum 4.5
seconds_count 9
# TYPE wrong gauge
wrong{a="1"} 5
wrong{a="2"} NaN
# TYPE below gauge
below{a="1"} 5
below{a="2"} -3
# TYPE part gauge
part 1.5
# TYPE huge gauge
huge{a="1"} 9007199254740992
huge{a="2"} 1
`

func TestMetrics(t *testing.T) {
	for name, want := range map[string]string{"pads": "7", "requests_total": "1030", "untyped_thing": "12", "seconds_count": "9"} {
		if got, err := sum([]byte(exposition), name); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %s", name, got, err, want)
		}
	}
	for name, words := range map[string]string{
		"none": `no metric "none" among the 8`, "wrong": "one of the 2 values of wrong: NaN", "below": "less than nothing", "part": "a fraction", "huge": "more than there can be",
	} {
		if got, err := sum([]byte(exposition), name); err == nil || got != "" || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %q, %v; want %q", name, got, err, words)
		}
	}
	for body, words := range map[string]string{
		"<html>": "HTML", "pads{": "no page of metrics", "pads 1\npads{a=\"b\" 2\n": "no page of metrics", "": "no metric", "pads one\n": "no page of metrics",
		`{"pads":1}`: "no page of metrics",
	} {
		if got, err := sum([]byte(body), "pads"); err == nil || got != "" || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: %q, %v; want %q", body, got, err, words)
		}
	}
}

func FuzzAnswers(f *testing.F) {
	f.Add([]byte(exposition), "pads")
	f.Add([]byte(`{"a":[{"b":"1"}]}`), "a.0.b")
	f.Fuzz(func(t *testing.T, body []byte, name string) {
		for _, read := range []func([]byte, string) (string, error){field, sum} {
			if text, err := read(body, name); err != nil && text != "" {
				t.Error(fmt.Sprint(text, err))
			}
		}
	})
}
