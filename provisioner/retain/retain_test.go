package retain_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"framagit.org/frama/frama/provisioner/retain"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/mail"
	"framagit.org/frama/frama/services/store"
)

// stale is a world with two pads that nobody changed for 60 days, and one that somebody did.
func stale(t *testing.T) *world {
	w := newWorld(t)
	w.pads.write("compte rendu", "Présents : tout le monde.")
	w.pads.write("buvette", "12 litres de jus.")
	w.clock.Advance(60 * day)
	w.pads.write("courses", "Du pain.")
	return w
}

// told is a stale world that the association was told of.
func told(t *testing.T) *world {
	w := stale(t)
	w.apply(rule)
	w.same("announced", w.round().Announced, 2)
	w.same("mails", len(w.send()), 1)
	return w
}

func TestContentIsAnnouncedExportedAndRemoved(t *testing.T) {
	w := stale(t)
	w.apply(rule)
	report := w.round()
	w.same("report", []int{report.Objects, report.Unused, report.Announced, report.Removed}, []int{3, 2, 2, 0})
	mails := w.send()
	w.same("one mail", len(mails), 1)
	args := mails[0].Args
	w.same("to whom", []string{mails[0].Recipient, mails[0].Lang, mails[0].RequestID}, []string{w.space.Email, "fr", w.space.RequestID})
	w.same("which", args[mail.ArgObjects], `["buvette","compte rendu"]`)
	w.same("how many", args[mail.ArgCount], "2")
	w.same("when", args[mail.ArgUntil], w.clock.Now().Add(10*day).UTC().Format(time.RFC3339))

	w.same("nobody is looked at twice a day", w.round().Objects, 0)
	for range 9 {
		w.clock.Advance(day)
		w.round()
	}
	w.same("nothing before its time", w.states(), []string{"buvette announced", "compte rendu announced"})
	w.pads.write("buvette", "13 litres de jus.") // somebody opens it and changes it
	w.clock.Advance(day)
	report = w.round()
	w.same("report", []int{report.Objects, report.Due, report.Exported, report.Removed, report.Kept}, []int{3, 2, 1, 1, 1})
	w.same("removed", w.pads.removed, []string{"compte rendu"})
	w.same("states", w.states(), []string{"buvette kept", "compte rendu removed"})
	files := w.pads.files()
	if len(files) != 1 || !strings.HasPrefix(files[0].name, "lilas/etherpad/"+w.clock.Now().UTC().Format(time.DateOnly)+"/compte_rendu-") ||
		files[0].text != "Présents : tout le monde." || files[0].name != w.rows()["compte rendu"].File {
		t.Errorf("files: %q", files)
	}
	w.same("mails", len(w.send()), 1)
	w.same("audit", w.audited(), []string{
		"retention.announce " + w.instance.Host + ": 2 pads, to be removed from " + w.clock.Now().UTC().Format(time.DateOnly) + " on",
		"retention.remove " + w.instance.Host + ": 1 removed, exported to lilas/etherpad",
	})
	// All over again, for what nobody touched since.
	w.clock.Advance(60 * day)
	w.same("announced", w.round().Announced, 2)
}

func TestNothingHappensWithoutARule(t *testing.T) {
	w := stale(t)
	w.same("no plan in force", w.round(), retain.Report{})
	w.apply()
	w.same("no rule", w.round(), retain.Report{})
	w.apply(hosting.RetentionRule{Metric: "polls", Unused: 60 * day, Announce: 10 * day})
	w.same("a rule about something else", w.round(), retain.Report{})
	w.same("requests", len(w.pads.asked), 0)
	if _, err := os.Stat(w.archive); err == nil {
		t.Error("there is an archive")
	}
}

func TestARuleThatGivesMoreTimeKeepsWhatWasAnnounced(t *testing.T) {
	for name, rules := range map[string][]hosting.RetentionRule{
		"gone":          nil,
		"longer unused": {{Metric: "pads", Unused: 90 * day, Announce: 10 * day}},
		"longer notice": {{Metric: "pads", Unused: 60 * day, Announce: 11 * day}},
	} {
		t.Run(name, func(t *testing.T) {
			w := told(t)
			w.apply(rules...)
			w.clock.Advance(10 * day)
			w.same("kept", w.round().Kept, 2)
			w.same("removed", len(w.pads.removed), 0)
		})
	}
	t.Run("shorter", func(t *testing.T) {
		w := told(t)
		w.apply(hosting.RetentionRule{Metric: "pads", Unused: 30 * day, Announce: 7 * day})
		w.clock.Advance(9 * day)
		w.same("what was promised holds", w.round().Removed, 0)
		w.clock.Advance(day)
		w.same("removed", w.round().Removed, 2)
	})
}

// TestWhoWasNotTold is a mail that could not be handed over, and then is, late.
func TestWhoWasNotTold(t *testing.T) {
	w := stale(t)
	w.apply(rule)
	w.round()
	w.clock.Advance(30 * day)
	w.round()
	w.same("removed", len(w.pads.removed), 0)
	if o := w.rows()["buvette"]; !strings.Contains(o.Problem, "was not handed over") {
		t.Errorf("%+v", o)
	}
	w.send()
	w.clock.Advance(9 * day)
	w.round()
	w.clock.Advance(day - time.Hour)
	w.round()
	w.same("removed", len(w.pads.removed), 0)
	w.clock.Advance(day)
	w.round()
	w.same("removed", len(w.pads.removed), 2)
}

// TestHostileNames has frama export and remove what has the strangest names, and nothing else anywhere.
func TestHostileNames(t *testing.T) {
	w := newWorld(t)
	names := []string{"../../../../etc/passwd", "a\nb\r\nX-Evil: 1", "{api_key}", "http://pourriel.example/?a=b&padID=courses", "%2e%2e%2f", "…é\u202e", "-rf", " ",
		"con.txt", `"quoted" \ back`, "a/../b", strings.Repeat("x", 500), "\x1b[31m"}
	for n, name := range names {
		w.pads.write(name, fmt.Sprintf("text %d", n))
	}
	for _, name := range []string{".", ".."} {
		w.pads.write(name, "stays")
	}
	w.pads.names = []any{"", "a\x00b", strings.Repeat("y", 501), "bro\ufffdken"}
	w.apply(rule)
	w.clock.Advance(60 * day)
	report := w.round()
	w.same("announced", []int{report.Announced, report.Unread}, []int{len(names), 6})
	mails := w.send()
	var listed []string
	if err := json.Unmarshal([]byte(mails[0].Args[mail.ArgObjects]), &listed); err != nil || len(listed) != len(names) {
		t.Errorf("%q: %v", listed, err)
	}
	w.clock.Advance(10 * day)
	report = w.round()
	w.same("removed", []int{report.Removed, len(w.pads.all)}, []int{len(names), 2})
	want := slices.Sorted(slices.Values(names))
	w.same("each by its own name", slices.Sorted(slices.Values(w.pads.removed)), want)
	for _, f := range w.pads.files() {
		if strings.Count(f.name, "/") != 3 || strings.Contains(f.name, "..") || strings.ContainsFunc(f.name, func(r rune) bool { return r > 'z' || r <= ' ' }) {
			t.Errorf("a file %q", f.name)
		}
	}
	w.same("files", len(w.pads.files()), len(names))
	for _, line := range w.audited() {
		if strings.Contains(line, "passwd") || strings.Contains(line, "\n") {
			t.Errorf("the audit log says %q", line)
		}
	}
}

func TestLyingTimes(t *testing.T) {
	w := newWorld(t)
	lies := map[string]string{
		"future": fmt.Sprint(w.clock.Now().Add(1000 * day).UnixMilli()), "never": "0", "seconds": fmt.Sprint(w.clock.Now().Unix()), "before": "-1",
		"huge": "99999999999999999999", "fraction": "1.5", "words": `"yesterday"`, "null": "null", "list": "[1]", "nothing": `{}`, "no json": "1}} 2",
	}
	for name := range lies {
		w.pads.write(name, "?")
	}
	w.pads.write("honest", "!")
	w.pads.times = lies
	w.clock.Advance(60 * day)
	w.apply(rule)
	report := w.round()
	w.same("report", []int{report.Announced, report.Unread}, []int{1, len(lies)})
	if !strings.Contains(report.Problem, "it cannot be said when they were changed, and they stay") {
		t.Errorf("the problem is %q", report.Problem)
	}
	// One that lies only once it was announced.
	w.send()
	for _, lie := range append(slices.Collect(values(lies)), fmt.Sprint(w.clock.Now().Add(-3000*day).UnixMilli())) {
		w.pads.times["honest"] = lie
		w.clock.Advance(10 * day)
		w.round()
	}
	w.same("removed", len(w.pads.removed), 0)
	w.same("another time than was announced", w.rows()["honest"].State, hosting.RetentionKept)
}

func values(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, v := range m {
			if !yield(v) {
				return
			}
		}
	}
}

func TestLyingLists(t *testing.T) {
	w := told(t)
	w.clock.Advance(10 * day)
	many := `{"code":0,"data":{"padIDs":[` + strings.Repeat(`"a",`, 100_000) + `"b"]}}`
	for name, text := range map[string]string{
		"no JSON": `{"code":0`, "two": `{"code":0,"data":{"padIDs":[]}} {}`, "no list": `{"code":0,"data":{"padIDs":"a"}}`, "numbers": `{"code":0,"data":{"padIDs":[1]}}`,
		"other words": `{"code":0,"data":{"pads":[]}}`, "too many": many, "refused": `{"code":4,"message":"no or wrong API Key"}`, "a page": `<html>"code":0</html>`,
	} {
		w.pads.fail["listAllPads"] = func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte(text)) }
		w.clock.Advance(day)
		if report := w.round(); report.Problem == "" || report.Removed+report.Gone+report.Announced > 0 {
			t.Errorf("%s: %+v", name, report)
		}
	}
	w.same("states", w.states(), []string{"buvette announced", "compte rendu announced"})
	delete(w.pads.fail, "listAllPads")
	w.clock.Advance(day)
	w.same("mended", w.round().Removed, 2)
}

func TestTenThousand(t *testing.T) {
	w := newWorld(t)
	for n := range 10_000 {
		w.pads.write(fmt.Sprintf("pad %05d", n), "un texte")
	}
	w.clock.Advance(60 * day)
	w.apply(rule)
	w.same("announced", w.round().Announced, 10_000)
	mails := w.send()
	w.same("one mail", len(mails), 1)
	var listed []string
	if err := json.Unmarshal([]byte(mails[0].Args[mail.ArgObjects]), &listed); err != nil || len(listed) != 20 {
		t.Errorf("%d names: %v", len(listed), err)
	}
	w.same("looked at once each", w.pads.asked["getLastEdited"], 10_000)
}

// TestALookThatIsCutShort goes on where it ended.
func TestALookThatIsCutShort(t *testing.T) {
	w := newWorld(t)
	for n := range 30 {
		w.pads.write(fmt.Sprintf("pad %02d", n), "un texte")
	}
	w.clock.Advance(60 * day)
	w.apply(rule)
	w.endAfter(12)
	first := w.round().Announced
	if first < 11 || first > 12 {
		t.Fatalf("%d were announced", first)
	}
	delete(w.pads.fail, "getLastEdited")
	w.clock.Advance(8 * day)
	w.pads.asked = nil
	w.same("the others", w.round().Announced, 30-first)
	w.same("asked about", w.pads.asked["getLastEdited"], 30-first)
}

// endAfter has the time be over after so many questions.
func (w *world) endAfter(questions int) {
	w.pads.mu.Lock()
	defer w.pads.mu.Unlock()
	n := 0
	w.pads.watch = func(op string) {
		if op != "getLastEdited" {
			return
		}
		if n++; n == questions {
			w.cancel()
		}
	}
}

// TestShortLooks come by all objects in turn, one after the other.
func TestShortLooks(t *testing.T) {
	w := newWorld(t)
	w.pads.write("pad 99", "un texte")
	w.clock.Advance(60 * day)
	for n := range 40 {
		w.pads.write(fmt.Sprintf("pad %02d", n), "un texte")
	}
	w.apply(rule)
	for range 40 {
		w.endAfter(5)
		if w.round().Announced == 1 {
			return
		}
		w.clock.Advance(day)
	}
	t.Error("the last of the pads was never looked at")
}

func TestProblemsRemoveNothing(t *testing.T) {
	status := func(code int, kind, text string) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", kind)
			rw.WriteHeader(code)
			_, _ = rw.Write([]byte(text))
		}
	}
	for name, c := range map[string]struct {
		op      string
		fail    http.HandlerFunc
		problem string
	}{
		"export is refused":  {"export", status(403, "text/plain", "no"), "answered 403 instead of 200"},
		"export is empty":    {"export", status(200, "text/plain", " \n"), "its export is empty"},
		"export has no body": {"export", status(204, "", ""), "answered 204"},
		"a sign-in page":     {"export", status(200, "text/html", "<html>sign in"), "a page for browsers"},
		"elsewhere":          {"export", func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, "/login", http.StatusFound) }, "answered 302"},
		"export breaks off": {"export", func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Content-Length", "99")
			_, _ = rw.Write([]byte("half"))
		}, "EOF"},
		"removal is refused":  {"deletePad", status(200, "application/json", `{"code":1,"message":"no"}`), "does not hold"},
		"removal hangs up":    {"deletePad", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
		"it knows no time":    {"getLastEdited", status(500, "text/plain", "oops "+key), "answered 500"},
		"the key is in words": {"deletePad", status(500, "text/plain", key), "•••"},
	} {
		t.Run(name, func(t *testing.T) {
			w := told(t)
			w.clock.Advance(10 * day)
			w.pads.fail[c.op] = c.fail
			w.same("removed", w.round().Removed, 0)
			for _, o := range w.rows() {
				if !strings.Contains(o.Problem, c.problem) || strings.Contains(o.Problem, key) || !o.State.Open() {
					t.Errorf("%+v", o)
				}
			}
			w.same("pads", len(w.pads.all), 3)
			delete(w.pads.fail, c.op)
			w.clock.Advance(day)
			w.same("mended", w.round().Removed, 2)
			for _, o := range w.rows() {
				w.same("problem", o.Problem, "")
			}
		})
	}
}

func TestArchiveThatCannotBeWritten(t *testing.T) {
	w := told(t)
	w.clock.Advance(10 * day)
	if err := os.WriteFile(w.archive, []byte("a file is in the way"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.same("removed", w.round().Removed, 0)
	if o := w.rows()["buvette"]; !strings.Contains(o.Problem, "could not be written to usage.archive") {
		t.Errorf("%+v", o)
	}
	if err := os.Remove(w.archive); err != nil {
		t.Fatal(err)
	}
	w.clock.Advance(day)
	w.same("mended", w.round().Removed, 2)
}

// TestFewExportsAtATime is an application that answers only some exports in a while.
func TestFewExportsAtATime(t *testing.T) {
	w := told(t)
	w.clock.Advance(10 * day)
	n := 0
	w.pads.fail["export"] = func(rw http.ResponseWriter, _ *http.Request) {
		if n++; n == 3 {
			w.pads.mu.Lock()
			delete(w.pads.fail, "export")
			w.pads.mu.Unlock()
		}
		http.Error(rw, "Too many requests", http.StatusTooManyRequests)
	}
	w.same("removed", w.round().Removed, 2)
}

// TestAnApplicationThatIsDown is not asked about each object of many.
func TestAnApplicationThatIsDown(t *testing.T) {
	w := newWorld(t)
	for n := range 100 {
		w.pads.write(fmt.Sprintf("pad %d", n), "un texte")
	}
	w.apply(rule)
	w.clock.Advance(60 * day)
	w.pads.fail["getLastEdited"] = func(rw http.ResponseWriter, _ *http.Request) { http.Error(rw, "down", http.StatusServiceUnavailable) }
	w.same("unread", w.round().Unread, 20)
	delete(w.pads.fail, "getLastEdited")
	w.clock.Advance(day)
	w.round()
	w.send()
	w.clock.Advance(10 * day)
	w.pads.fail["export"] = func(rw http.ResponseWriter, _ *http.Request) { http.Error(rw, "down", http.StatusServiceUnavailable) }
	w.pads.asked = nil
	report := w.round()
	w.same("exports", w.pads.asked["export"], 5)
	if !strings.Contains(report.Problem, "5 could not be removed") {
		t.Errorf("%+v", report)
	}
}

func TestDryRun(t *testing.T) {
	w := stale(t)
	w.apply(rule)
	dry := retain.Ask{Dry: true}
	w.same("unused", w.roundWith(dry).Unused, 2)
	w.same("announced", []int{len(w.rows()), len(w.send())}, []int{0, 0})
	w.round()
	w.send()
	w.clock.Advance(10 * day)
	w.same("due", w.roundWith(dry).Due, 2)
	w.same("states", w.states(), []string{"buvette announced", "compte rendu announced"})
	w.same("nobody looked", w.round().Removed, 2)
}

func TestKeepAll(t *testing.T) {
	keep := func(w *world) {
		w.write(func(tx *store.Tx) error { _, err := tx.KeepAll(w.space.ID); return err })
	}
	t.Run("before", func(t *testing.T) {
		w := told(t)
		keep(w)
		w.clock.Advance(40 * day)
		w.round()
		w.same("states", w.states(), []string{"buvette kept", "compte rendu kept"})
		w.same("removed", len(w.pads.removed), 0)
		w.clock.Advance(30 * day)
		w.same("as long again", w.round().Announced, 3)
	})
	for _, op := range []string{"getLastEdited", "export"} {
		t.Run("in the middle, at "+op, func(t *testing.T) {
			w := told(t)
			w.clock.Advance(10 * day)
			w.pads.fail[op] = func(rw http.ResponseWriter, r *http.Request) {
				keep(w)
				w.pads.mu.Lock()
				delete(w.pads.fail, op)
				w.pads.mu.Unlock()
				w.pads.ServeHTTP(rw, r)
			}
			w.round()
			w.same("removed", len(w.pads.removed), 0)
			w.same("states", w.states(), []string{"buvette kept", "compte rendu kept"})
		})
	}
}

// TestOneHoldsUpNobody has one application that does not answer beside one that does.
func TestOneHoldsUpNobody(t *testing.T) {
	w := told(t)
	w.clock.Advance(10 * day)
	talk := w.options.Talk
	other := w.another()
	w.options.Talk = func(ctx ctx, i hosting.Instance) (*exchanged, error) {
		if i.ID == other.ID {
			for ctx.Err() == nil { // it takes until the other is done
				w.pads.mu.Lock()
				n := len(w.pads.removed)
				w.pads.mu.Unlock()
				if n == 2 {
					break
				}
				time.Sleep(time.Millisecond)
			}
			return nil, errors.New("it does not answer")
		}
		return talk(ctx, i)
	}
	reports, err := retain.New(w.options).Once(w.ctx, retain.Ask{})
	if err != nil || len(reports) != 2 {
		t.Fatalf("%+v %v", reports, err)
	}
	w.same("removed", len(w.pads.removed), 2)
	for _, r := range reports {
		if (r.Space == "lilas") != (r.Problem == "") {
			t.Errorf("%+v", r)
		}
	}
}

func TestFileNames(t *testing.T) {
	for words, want := range map[string]string{
		"compte rendu": "compte_rendu", "../../x": "______x", "--help": "help", "é": "object", "": "object", "...": "object", "-_-": "object",
		strings.Repeat("long", 50): strings.Repeat("long", 20), "a\x00\n/\\b": "a____b",
	} {
		if got := retain.FileName(words); got != want {
			t.Errorf("%q becomes %q, want %q", words, got, want)
		}
	}
}

// TestChangedAtTheLastMoment has people write while their pad is being exported.
func TestChangedAtTheLastMoment(t *testing.T) {
	w := told(t)
	w.clock.Advance(10 * day)
	w.pads.fail["export"] = func(rw http.ResponseWriter, r *http.Request) {
		w.pads.mu.Lock()
		delete(w.pads.fail, "export")
		w.pads.mu.Unlock()
		w.pads.ServeHTTP(rw, r)
		w.pads.write("buvette", "14 litres de jus.")
	}
	w.round()
	w.same("removed", w.pads.removed, []string{"compte rendu"})
	w.same("states", w.states(), []string{"buvette kept", "compte rendu removed"})
}

// TestExportThatIsLost has a file vanish, or end early, before its object is removed.
func TestExportThatIsLost(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"gone": os.Remove, "empty": func(path string) error { return os.Truncate(path, 0) }, "shorter": func(path string) error { return os.Truncate(path, 3) },
	} {
		t.Run(name, func(t *testing.T) {
			w := told(t)
			w.clock.Advance(10 * day)
			r := retain.New(w.options)
			r.At(func(step string) {
				if step == "noted" {
					for _, f := range w.pads.files() {
						if err := spoil(filepath.Join(w.archive, f.name)); err != nil {
							t.Error(err)
						}
					}
				}
			})
			if _, err := r.Serially(w.ctx, retain.Ask{}); err != nil {
				t.Fatal(err)
			}
			w.same("removed", len(w.pads.removed), 0)
			if o := w.rows()["buvette"]; !strings.Contains(o.Problem, "nothing was removed") {
				t.Errorf("%+v", o)
			}
		})
	}
}

// TestNoFileIsEverOverwritten exports the same object twice a day.
func TestNoFileIsEverOverwritten(t *testing.T) {
	w := told(t)
	w.clock.Advance(10 * day)
	w.round("written")
	w.clock.Advance(time.Hour)
	w.roundWith(retain.Ask{Now: true}, "written")
	w.clock.Advance(time.Hour)
	w.roundWith(retain.Ask{Now: true})
	w.same("files", len(w.pads.files()), 4)
	w.same("removed", len(w.pads.removed), 2)
}

// TestOneMailAWeek has pads become stale day by day.
func TestOneMailAWeek(t *testing.T) {
	w := newWorld(t)
	w.apply(rule)
	for n := range 14 {
		w.pads.write(fmt.Sprintf("pad %d", n), "un texte")
		w.clock.Advance(day)
	}
	w.clock.Advance(46 * day)
	for range 14 {
		w.round()
		w.send()
		w.clock.Advance(day)
	}
	w.same("mails", len(w.send()), 2)
}
