package storetest

import (
	"time"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

func (b bundle) user(email string) hosting.User {
	b.Helper()
	u := hosting.User{ID: NewID(), Email: email, Name: "Zoé", Role: hosting.RoleReviewer, PasswordHash: "$argon2id$…", CreatedAt: b.now()}
	b.write(func(tx *store.Tx) error { return tx.InsertUser(u) })
	return u
}

func staff(b bundle) {
	u := b.user("Zoe@Example.org")
	u.Email = "zoe@example.org"
	same(b, "by ID", read(b, func(tx *store.Tx) (hosting.User, error) { return tx.User(u.ID) }), u)
	for _, email := range []string{"zoe@example.org", "ZOE@example.ORG"} {
		same(b, email, read(b, func(tx *store.Tx) (hosting.User, error) { return tx.UserByEmail(email) }), u)
	}
	missing(b, func(tx *store.Tx) (hosting.User, error) { return tx.User("nobody") })
	missing(b, func(tx *store.Tx) (hosting.User, error) { return tx.UserByEmail("zoe%") })
	b.refused(store.ErrTaken, func(tx *store.Tx) error { return tx.InsertUser(hosting.User{ID: NewID(), Email: "ZOE@EXAMPLE.ORG"}) })
	b.user("a-b@example.org")
	b.user("ab@example.org")
	b.user("a@example.org")
	var emails []string
	for _, u := range read(b, (*store.Tx).Users) {
		emails = append(emails, u.Email)
	}
	same(b, "users", emails, []string{"a-b@example.org", "a@example.org", "ab@example.org", "zoe@example.org"})
}

func sessions(b bundle) {
	u, other := b.user("zoe@example.org"), b.user("anne@example.org")
	gone := hosting.User{ID: NewID(), Email: "gone@example.org", DisabledAt: b.now()}
	open := func(token, user string, life time.Duration) {
		b.Helper()
		b.write(func(tx *store.Tx) error { return tx.InsertSession(token, "csrf-"+token, user, tx.Now.Add(life)) })
	}
	session := func(token string) (store.OpenSession, error) {
		var s store.OpenSession
		err := b.store.Read(b.Context(), func(tx *store.Tx) (err error) { s, err = tx.Session(token); return err })
		return s, err
	}
	expect := func(token string, want error) {
		b.Helper()
		if _, err := session(token); err != want {
			b.Errorf("session %s: %v, want %v", token, err, want)
		}
	}
	b.write(func(tx *store.Tx) error { return tx.InsertUser(gone) })
	open("one", u.ID, time.Hour)
	open("two", u.ID, 2*time.Hour)
	open("hers", other.ID, time.Hour)
	open("gone", gone.ID, time.Hour)
	got, err := session("one")
	same(b, "session", got, store.OpenSession{CSRF: "csrf-one", UserID: u.ID, ExpiresAt: b.now().Add(time.Hour)})
	same(b, "error", err, nil)
	expect("gone", store.ErrNotFound) // disabled
	expect("none", store.ErrNotFound)
	b.refused(store.ErrTaken, func(tx *store.Tx) error { return tx.InsertSession("one", "", u.ID, b.now().Add(time.Hour)) })

	b.clock.Advance(time.Hour - time.Microsecond)
	expect("one", nil)
	b.clock.Advance(time.Microsecond)
	expect("one", store.ErrNotFound)
	expect("two", nil)
	open("one", u.ID, time.Hour) // the expired one is swept away, or its token would be taken

	b.write(func(tx *store.Tx) error { return tx.EndSession("two") })
	b.write(func(tx *store.Tx) error { return tx.EndSession("two") })
	expect("two", store.ErrNotFound)
	open("hers", other.ID, time.Hour)
	b.write(func(tx *store.Tx) error { return tx.SetPassword(u.ID, "new") })
	expect("one", store.ErrNotFound) // whoever knew the old password is out
	expect("hers", nil)
	same(b, "hash", read(b, func(tx *store.Tx) (hosting.User, error) { return tx.User(u.ID) }).PasswordHash, "new")
	b.refused(store.ErrStale, func(tx *store.Tx) error { return tx.SetPassword("nobody", "new") })
}

func failedLogins(b bundle) {
	failed := func(subject string, window time.Duration) int {
		return read(b, func(tx *store.Tx) (int, error) { return tx.FailedLogins(subject, tx.Now.Add(-window)) })
	}
	fail := func(subjects ...string) {
		b.write(func(tx *store.Tx) error { return tx.LoginFailed(subjects...) })
	}
	fail("mail:zoe", "ip:192.0.2.1")
	b.clock.Advance(10 * time.Minute)
	fail("mail:zoe")
	same(b, "in the window", failed("mail:zoe", 10*time.Minute), 2)
	same(b, "in a shorter window", failed("mail:zoe", 10*time.Minute-time.Microsecond), 1)
	same(b, "another subject", failed("ip:192.0.2.1", time.Hour), 1)
	same(b, "nobody", failed("mail:anne", time.Hour), 0)
	b.write(func(tx *store.Tx) error { return tx.ForgetFailedLogins("mail:zoe") })
	same(b, "once forgotten", failed("mail:zoe", time.Hour), 0)
	same(b, "another subject is not forgotten", failed("ip:192.0.2.1", time.Hour), 1)
	b.clock.Advance(25 * time.Hour)
	fail("mail:anne")
	same(b, "old failures are swept away", failed("ip:192.0.2.1", 1000*time.Hour), 0)
}

func audit(b bundle) {
	log := func(text string, offset, limit int) (details []string, total int) {
		b.Helper()
		page := read(b, func(tx *store.Tx) (page []hosting.AuditEntry, err error) {
			page, total, err = tx.AuditLog(text, offset, limit)
			return page, err
		})
		for _, e := range page {
			details = append(details, e.Detail)
		}
		return details, total
	}
	zoe := hosting.Actor{UserID: "1", Name: "Zoé@example.org", Role: hosting.RoleAdmin, IP: "2001:DB8::1"}
	at := b.now()
	for _, detail := range []string{"un", "deux", "100% Été_2", "quatre"} {
		b.write(func(tx *store.Tx) error { return tx.Audit(zoe, "request.approve", "request:1", detail) })
	}
	b.write(func(tx *store.Tx) error {
		return tx.Audit(hosting.Actor{Name: "public"}, "request.submit", "request:2", "cinq")
	})
	details, total := log("", 0, 3)
	same(b, "newest first", details, []string{"cinq", "quatre", "100% Été_2"})
	same(b, "total", total, 5)
	details, _ = log("", 3, 3)
	same(b, "second page", details, []string{"deux", "un"})
	for text, want := range map[string]int{
		"été": 1, "ETE": 1, "%": 1, "_": 1, `\`: 0, "zoé": 4, "2001:db8": 4, "submit": 1, "request:": 5, "approve quatre": 1,
	} {
		_, total := log(text, 0, 10)
		same(b, "entries that match "+text, total, want)
	}
	of := func(subjects ...string) []hosting.AuditEntry {
		return read(b, func(tx *store.Tx) ([]hosting.AuditEntry, error) { return tx.AuditOf(subjects...) })
	}
	same(b, "of one", len(of("request:1")), 4)
	same(b, "of two", len(of("request:1", "request:2")), 5)
	same(b, "of none", len(of()), 0)
	got := of("request:1")[3]
	got.ID = ""
	same(b, "an entry", got, hosting.AuditEntry{At: at, Actor: zoe.Name, IP: zoe.IP, Action: "request.approve", Subject: "request:1", Detail: "un"})
}
