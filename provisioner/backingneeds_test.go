package provisioner

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"framagit.org/frama/frama/catalogue"
)

// All that is missing comes at once, before an association waits for it.
func TestWhatBackingServersLack(t *testing.T) {
	c, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	var apps []catalogue.App
	for _, name := range []string{"etherpad", "nextcloud", "wordpress"} {
		app, ok := c.App(name)
		if !ok {
			t.Fatal(name)
		}
		apps = append(apps, app)
	}
	of := func(kind string, change ...func(*account)) Server {
		a := newAccount(kind + "1")
		a.kind = kind
		for _, f := range change {
			f(a)
		}
		return Server{Backing: a}
	}
	down := func(a *account) { a.down = true }
	unfit := func(a *account) { a.unfit = &RefusedError{Err: errors.New("it runs PostgreSQL 9")} }
	full := of("smtp")
	full.Full = true
	for name, test := range map[string]struct {
		servers []Server
		want    []string
	}{
		"nothing is declared":      {nil, []string{"no mysql (for wordpress)", "no postgres (for etherpad, nextcloud)", "no smtp (for nextcloud, wordpress)"}},
		"all is declared":          {[]Server{of("postgres"), of("mysql"), of("smtp")}, nil},
		"one is full":              {[]Server{of("postgres"), of("mysql"), full}, []string{"every smtp is full (for nextcloud, wordpress)"}},
		"another is not full":      {[]Server{of("postgres"), of("mysql"), full, of("smtp")}, nil},
		"one that is down may fit": {[]Server{of("postgres", down), of("mysql"), of("smtp")}, nil},
		"one that does not fit": {[]Server{of("postgres", unfit), of("mysql"), of("smtp")},
			[]string{"nothing fits etherpad: it runs PostgreSQL 9", "nothing fits nextcloud: it runs PostgreSQL 9"}},
		"a second one fits": {[]Server{of("postgres", unfit), of("postgres"), of("mysql"), of("smtp")}, nil},
	} {
		if got := MissingBacking(t.Context(), test.servers, apps); !slices.Equal(got, test.want) {
			t.Errorf("%s:\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(test.want, "\n"))
		}
	}
}
