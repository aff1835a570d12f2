package backing

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"framagit.org/frama/frama/provisioner"
)

var (
	_ provisioner.Asked = (*postgres)(nil)
	_ provisioner.Asked = (*mariadb)(nil)
	_ provisioner.Asked = (*s3)(nil)
)

// gave says whether the variable's keys of a database name this server.
func (s server) gave(items map[string]string) bool {
	return items["db_name"] != "" && net.JoinHostPort(items["db_host"], items["db_port"]) == net.JoinHostPort(s.host, s.port)
}

// shortened wraps a query so that no more than the beginning of two values comes back, whatever it finds: the server of a
// database is trusted, what an instance keeps there is not. The query stands on lines of its own, for it may end in a
// comment.
func shortened(query, short string) string {
	query = strings.TrimRight(strings.TrimSpace(query), "; \n\t")
	return "WITH asked(x) AS (\n" + query + "\n) SELECT " + short + " FROM asked LIMIT 2"
}

// only is the one value that came.
func only(values []*string) (string, error) {
	switch {
	case len(values) == 0:
		return "", errors.New("the query found no row: it must give one number, also where there is nothing yet")
	case len(values) > 1:
		return "", errors.New("the query found several rows: it must give one number")
	case values[0] == nil:
		return "", errors.New("the query gave NULL instead of a number: use count(*), or coalesce(…, 0)")
	}
	return *values[0], nil
}

// askAll asks one after the other. Once the connection is gone, the rest has the error that ended it.
func askAll(ctx context.Context, within time.Duration, queries []string, ask func(ctx context.Context, query string) (string, error), gone func() bool) []provisioner.Answer {
	answers := make([]provisioner.Answer, len(queries))
	for n, query := range queries {
		if n > 0 && gone() {
			answers[n].Err = answers[n-1].Err
			continue
		}
		// The server ends the statement itself; this is for one that does not answer any more.
		limited, cancel := context.WithTimeout(ctx, within+2*time.Second)
		answers[n].Text, answers[n].Err = ask(limited, query)
		cancel()
	}
	return answers
}

// unanswered gives all queries, and the size before them, the same error.
func unanswered(err error, queries int) (provisioner.Answer, []provisioner.Answer) {
	answers := make([]provisioner.Answer, queries)
	for n := range answers {
		answers[n].Err = err
	}
	return provisioner.Answer{Err: err}, answers
}

// slow is the error of a statement that the server ended.
func slow(within time.Duration, err error) error {
	return fmt.Errorf("the database did not answer within %s: make the query cheaper, or raise usage.timeout: %w", within, err)
}
