package isolation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Options of Docker's bridge driver.
const (
	optionName = "com.docker.network.bridge.name"
	optionICC  = "com.docker.network.bridge.enable_icc"
)

// dockerNetwork is what the engine's API says of a network, as far as it matters here.
type dockerNetwork struct {
	Name       string
	Driver     string
	EnableIPv6 bool
	Internal   bool
	Options    map[string]string
	IPAM       struct{ Config []dockerSubnet }
	Labels     map[string]string `json:",omitempty"`
}

type dockerSubnet struct{ Subnet string }

// wantedNetwork is the network of a class. Containers in it cannot reach one another, and have no IPv6.
func (c Config) wantedNetwork(class Class) dockerNetwork {
	n := dockerNetwork{Name: Network(c.Prefix, class), Driver: "bridge",
		Options: map[string]string{optionName: c.bridge(class), optionICC: "false"},
		Labels:  map[string]string{"org.frama.egress": string(class)}}
	docker, _ := halves(c.Subnets[class])
	n.IPAM.Config = []dockerSubnet{{Subnet: docker.String()}}
	return n
}

// Networks makes the Docker networks that are missing, and returns their names. One that is there and is not as it should be is an
// error: containers may hang on it.
func (c Config) Networks(ctx context.Context) (made []string, err error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	engine := engine(c.Docker)
	defer engine.CloseIdleConnections()
	for _, class := range Classes() {
		want := c.wantedNetwork(class)
		got, err := inspectNetwork(ctx, engine, want.Name)
		if errors.Is(err, errNoNetwork) {
			err = call(ctx, engine, http.MethodPost, "/networks/create", want, nil)
			if errors.Is(err, errConflict) {
				err = nil // another was faster: look at what it made
			} else if err == nil {
				made = append(made, want.Name)
			}
			if err == nil {
				got, err = inspectNetwork(ctx, engine, want.Name)
			}
		}
		if err != nil {
			return made, fmt.Errorf("isolation: network %s: %w", want.Name, err)
		}
		if problem := want.differs(got); problem != "" {
			return made, fmt.Errorf("isolation: network %s %s: stop what uses it, docker network rm %s, and frama makes it anew", want.Name, problem, want.Name)
		}
	}
	return made, nil
}

// RemoveNetworks removes the Docker networks, which must be unused.
func (c Config) RemoveNetworks(ctx context.Context) error {
	engine := engine(c.Docker)
	defer engine.CloseIdleConnections()
	var all error
	for _, class := range Classes() {
		err := call(ctx, engine, http.MethodDelete, "/networks/"+Network(c.Prefix, class), nil, nil)
		if !errors.Is(err, errNoNetwork) {
			all = errors.Join(all, err)
		}
	}
	return all
}

// differs tells what of a network is not as wanted.
func (n dockerNetwork) differs(got dockerNetwork) string {
	switch {
	case got.Driver != n.Driver:
		return "has the driver " + got.Driver
	case got.EnableIPv6:
		return "has IPv6"
	case got.Options[optionName] != n.Options[optionName]:
		return fmt.Sprintf("has the bridge %q", got.Options[optionName])
	case got.Options[optionICC] != "false":
		return "lets containers reach one another"
	case len(got.IPAM.Config) != 1 || got.IPAM.Config[0].Subnet != n.IPAM.Config[0].Subnet:
		return fmt.Sprintf("has the subnets %v, not %s", got.IPAM.Config, n.IPAM.Config[0].Subnet)
	}
	return ""
}

var (
	errNoNetwork = errors.New("there is no such network")
	errConflict  = errors.New("the network exists")
)

func inspectNetwork(ctx context.Context, engine *http.Client, name string) (n dockerNetwork, err error) {
	return n, call(ctx, engine, http.MethodGet, "/networks/"+name, nil, &n)
}

// engine speaks to Docker's API on its socket.
func engine(socket string) *http.Client {
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
}

// call asks the engine, without a version in the path: it takes its newest.
func call(ctx context.Context, engine *http.Client, method, path string, send, into any) error {
	var body io.Reader
	if send != nil {
		text, err := json.Marshal(send)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://docker"+path, body)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := engine.Do(request)
	if err != nil {
		return fmt.Errorf("ask Docker: %w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	switch {
	case err != nil:
		return fmt.Errorf("ask Docker: %w", err)
	case answer.StatusCode == http.StatusNotFound:
		return errNoNetwork
	case answer.StatusCode == http.StatusConflict:
		return errConflict
	case answer.StatusCode/100 != 2:
		return fmt.Errorf("docker answers %s: %s", answer.Status, bytes.TrimSpace(text))
	case into == nil:
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("docker's answer: %w", err)
	}
	return nil
}
