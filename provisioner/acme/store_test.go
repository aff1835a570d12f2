package acme

import (
	"context"
	"fmt"
	"sync"
)

// memory is an AccountStore that remembers how it was used.
type memory struct {
	mu    sync.Mutex
	raw   map[string][]byte
	saves int
}

func (m *memory) LoadAccount(_ context.Context, directory string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	raw, ok := m.raw[directory]
	if !ok {
		return nil, fmt.Errorf("memory: %w", ErrNoAccount)
	}
	return raw, nil
}

func (m *memory) SaveAccount(_ context.Context, directory string, account []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.raw == nil {
		m.raw = map[string][]byte{}
	}
	m.raw[directory] = account
	m.saves++
	return nil
}

func (m *memory) empty() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.raw) == 0
}
