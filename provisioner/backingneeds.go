package provisioner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"framagit.org/frama/frama/catalogue"
)

// MissingBacking lists what applications need of backing servers and none of the declared ones gives, one text for each
// kind of server that is not there and for each application that no server fits. It asks servers and changes nothing; one
// that does not answer may fit.
func MissingBacking(ctx context.Context, servers []Server, apps []catalogue.App) []string {
	var missing []string
	lacking := map[string][]string{}
	for _, app := range apps {
		wish := app.Run()
		for _, service := range wish.Needs {
			var candidates []Server
			for _, s := range servers {
				if s.Kind() == service && !s.Full {
					candidates = append(candidates, s)
				}
			}
			if len(candidates) == 0 {
				lacking[service] = append(lacking[service], app.Name)
			} else if reason := misfit(ctx, candidates, app.Name, wish); reason != "" {
				missing = append(missing, reason)
			}
		}
	}
	var kinds []string
	for _, service := range catalogue.Services() {
		if len(lacking[service]) == 0 {
			continue
		}
		text := "no " + service
		if slices.ContainsFunc(servers, func(s Server) bool { return s.Kind() == service }) {
			text = "every " + service + " is full"
		}
		kinds = append(kinds, fmt.Sprintf("%s (for %s)", text, strings.Join(lacking[service], ", ")))
	}
	return append(kinds, missing...)
}

// misfit returns why none of the servers can take an instance of the application, or "".
func misfit(ctx context.Context, servers []Server, app string, wish catalogue.Run) string {
	var reasons []string
	for _, s := range servers {
		err := s.Fits(ctx, wishes(Grant{Instance: "doctor", Name: s.Identifier("doctor-" + app)}, wish))
		var temporary *TemporaryError
		if err == nil || errors.As(err, &temporary) {
			return ""
		}
		reasons = append(reasons, err.Error())
	}
	return fmt.Sprintf("nothing fits %s: %s", app, strings.Join(reasons, "; "))
}
