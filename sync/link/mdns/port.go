package mdns

import (
	"errors"
	"fmt"
	"net"

	"golang.org/x/net/ipv4"
)

// group is where multicast DNS is spoken.
var group = &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353}

const (
	packetMax = 1500
	hops      = 255 // as RFC 6762 has it
)

// port is a socket on the group, on one or more interfaces.
type port struct {
	conn   *net.UDPConn
	packet *ipv4.PacketConn
	joined map[string]net.Interface // by name and address
	done   chan struct{}
}

// local are the interfaces of local networks. Lines from point to point (modems, tunnels)
// are none: their bytes may be paid for, and no office is at the other end.
func local() (all []net.Interface) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil // asked again soon
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagUp != 0 && i.Flags&net.FlagMulticast != 0 && i.Flags&(net.FlagPointToPoint|net.FlagLoopback) == 0 {
			all = append(all, i)
		}
	}
	return all
}

func open(first net.Interface) (*port, error) {
	conn, err := net.ListenMulticastUDP("udp4", &first, group)
	if err != nil {
		return nil, fmt.Errorf("mdns: listen on %s: %w", first.Name, err)
	}
	p := &port{conn: conn, packet: ipv4.NewPacketConn(conn), joined: map[string]net.Interface{}, done: make(chan struct{})}
	if err := p.packet.SetMulticastTTL(hops); err != nil {
		return nil, errors.Join(fmt.Errorf("mdns: %w", err), conn.Close())
	}
	return p, nil
}

// join listens on these interfaces, and says whether they are others than before.
func (p *port) join(interfaces []net.Interface) (changed bool) {
	now := map[string]net.Interface{}
	for _, i := range interfaces {
		addresses, err := i.Addrs()
		if err != nil || len(addresses) == 0 {
			continue // no network yet, or gone
		}
		_ = p.packet.JoinGroup(&i, group) // it may be in it already
		now[fmt.Sprint(i.Name, addresses)] = i
	}
	for name := range now {
		_, was := p.joined[name]
		changed = changed || !was
	}
	p.joined = now
	return changed
}

// write sends a packet on every interface.
func (p *port) write(b []byte) error {
	var errs []error
	for _, i := range p.joined {
		err := p.packet.SetMulticastInterface(&i)
		if err == nil {
			_, err = p.conn.WriteToUDP(b, group)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// read hands packets over until the port is closed. When nobody takes them, they are lost.
func (p *port) read(to chan<- heard) {
	defer close(p.done)
	buffer := make([]byte, packetMax)
	for {
		n, from, err := p.conn.ReadFromUDP(buffer)
		if err != nil {
			return
		}
		select {
		case to <- heard{from.IP, append([]byte(nil), buffer[:n]...)}:
		default:
		}
	}
}

// ended says whether the socket can't be read any more.
func (p *port) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *port) close() {
	_ = p.conn.Close() // only read and written; nothing waits in it
	<-p.done
}
