package acme

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	legolog "github.com/go-acme/lego/v4/log"
)

// LogTo sends what lego reports to a logger, at debug level but for its warnings. lego has one logger for the whole
// process and writes to standard error without this: the command calls it once, before the first certificate.
func LogTo(log *slog.Logger) { legolog.Logger = legoLogger{log} }

type legoLogger struct{ log *slog.Logger }

func (l legoLogger) put(text string) {
	level := slog.LevelDebug
	if s, warning := strings.CutPrefix(text, "[WARN] "); warning {
		text, level = s, slog.LevelWarn
	}
	l.log.Log(context.Background(), level, printable(strings.TrimPrefix(text, "[INFO] "), 1000), "from", "lego")
}

func (l legoLogger) Print(args ...any)                 { l.put(fmt.Sprint(args...)) }
func (l legoLogger) Println(args ...any)               { l.put(fmt.Sprintln(args...)) }
func (l legoLogger) Printf(format string, args ...any) { l.put(fmt.Sprintf(format, args...)) }

// lego's library never calls these: ending the process is not for it to decide.
func (l legoLogger) Fatal(args ...any)                 { l.Print(args...) }
func (l legoLogger) Fatalln(args ...any)               { l.Println(args...) }
func (l legoLogger) Fatalf(format string, args ...any) { l.Printf(format, args...) }
