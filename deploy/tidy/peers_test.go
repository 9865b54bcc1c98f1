package tidy

import "testing"

func TestPeers(t *testing.T) {
	planted(t, Peers, map[string]string{
		"go.mod":                        "module m\nrequire modernc.org/sqlite v1\n",
		"deploy/peers/cmd/some/main.go": "package main\nimport _ \"modernc.org/sqlite\"",
		"node/cmd/vungxa/main.go":       "package main\nimport _ \"github.com/vungxa/vungxa/deploy/peers/cmd/some\"",
	}, "go.mod:2", "deploy/peers", "node/cmd/vungxa/main.go:2")
	planted(t, Peers, map[string]string{
		"go.mod":                        "module m\nrequire go.etcd.io/bbolt v1\n",
		"deploy/peers/go.mod":           "module p\n",
		"deploy/peers/cmd/some/main.go": "package main\nimport _ \"modernc.org/sqlite\"",
		"node/a.go":                     "package node\n",
	})
}
