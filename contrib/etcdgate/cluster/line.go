//go:build unix

package main

import "github.com/coppice-go/coppice/internal/badline"

// A line is what one member reaches etcd by: a TCP proxy for each member of etcd. When it is
// cut, connections stay open, and nothing passes.
type line struct {
	badline.Line
	proxies []*badline.Proxy
}

func newLine(targets []string) (*line, error) {
	l := &line{}
	for _, target := range targets {
		p, err := l.Listen(func() string { return target })
		if err != nil {
			l.close()
			return nil, err
		}
		l.proxies = append(l.proxies, p)
	}
	return l, nil
}

// endpoints returns where the member connects.
func (l *line) endpoints() (all []string) {
	for _, p := range l.proxies {
		all = append(all, p.Addr())
	}
	return all
}

func (l *line) close() {
	for _, p := range l.proxies {
		p.Close()
	}
}
