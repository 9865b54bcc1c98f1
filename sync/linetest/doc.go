// Package linetest puts whole programs at the two ends of a bad line.
//
// Each end is a network namespace of Linux: an own loopback, an own TUN device with
// an own address, and nothing else, so that what runs there speaks to the other end
// or to nobody. What one end's kernel sends to its device comes out at the other's
// when package line says so, TCP, UDP and multicast alike. Every packet is counted
// with its IP header.
//
// The moments are the machine's, so two runs differ by what the kernels do; which
// packets are lost follows the seed. It needs root, /dev/net/tun, and the commands
// ip and nsenter; where one is missing, New says which (ErrMissing).
package linetest
