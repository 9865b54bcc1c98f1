package mdns

import (
	"fmt"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// Names and times of the service.
const (
	serviceName = "_vungxa._tcp.local."
	ttlSeconds  = 120
	recordsMax  = 16 // of a message that are looked at
)

// question asks for all nodes.
func question() ([]byte, error) {
	name, err := dnsmessage.NewName(serviceName)
	if err != nil {
		return nil, err
	}
	m := dnsmessage.Message{Questions: []dnsmessage.Question{{Name: name, Type: dnsmessage.TypePTR, Class: dnsmessage.ClassINET}}}
	return m.Pack()
}

// answer says that a node of a name is at a port of the sender's address.
func answer(instance string, port uint16) ([]byte, error) {
	service, err := dnsmessage.NewName(serviceName)
	if err != nil {
		return nil, err
	}
	full, err := dnsmessage.NewName(instance + "." + serviceName)
	if err != nil {
		return nil, fmt.Errorf("mdns: %w", err)
	}
	host, err := dnsmessage.NewName(instance + ".local.")
	if err != nil {
		return nil, fmt.Errorf("mdns: %w", err)
	}
	header := func(n dnsmessage.Name) dnsmessage.ResourceHeader {
		return dnsmessage.ResourceHeader{Name: n, Class: dnsmessage.ClassINET, TTL: ttlSeconds}
	}
	m := dnsmessage.Message{
		Header: dnsmessage.Header{Response: true, Authoritative: true},
		Answers: []dnsmessage.Resource{
			{Header: header(service), Body: &dnsmessage.PTRResource{PTR: full}},
			{Header: header(full), Body: &dnsmessage.SRVResource{Port: port, Target: host}},
			{Header: header(full), Body: &dnsmessage.TXTResource{TXT: []string{""}}},
		},
	}
	return m.Pack()
}

// parse reads a message: whether it asks for nodes, or else the name and port of the
// node that it announces; port 0: none. What isn't understood says nothing.
func parse(b []byte) (asked bool, instance string, port uint16) {
	var p dnsmessage.Parser
	header, err := p.Start(b)
	if err != nil {
		return false, "", 0
	}
	if !header.Response {
		return asks(&p), "", 0
	}
	if p.SkipAllQuestions() != nil {
		return false, "", 0
	}
	for range recordsMax {
		h, err := p.AnswerHeader()
		if err != nil {
			return false, "", 0
		}
		instance, ours := strings.CutSuffix(strings.ToLower(h.Name.String()), "."+serviceName)
		if !ours || h.Type != dnsmessage.TypeSRV {
			if p.SkipAnswer() != nil {
				return false, "", 0
			}
			continue
		}
		srv, err := p.SRVResource()
		if err != nil {
			return false, "", 0
		}
		return false, instance, srv.Port
	}
	return false, "", 0
}

func asks(p *dnsmessage.Parser) bool {
	for range recordsMax {
		q, err := p.Question()
		if err != nil {
			return false
		}
		if q.Type == dnsmessage.TypePTR && strings.EqualFold(q.Name.String(), serviceName) {
			return true
		}
	}
	return false
}
