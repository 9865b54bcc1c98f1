package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/engine"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/sync/hub"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/link"
	"github.com/vungxa/vungxa/sync/reconcile"
	"github.com/vungxa/vungxa/sync/replica"
)

// maxPeers bounds connections: a province has a few hundred communes, each with
// a box and some laptops.
const maxPeers = 4096

// listenSync opens the port for other nodes. Only devices whose certificate is
// known get past the handshake.
func (d *Daemon) listenSync() (err error) {
	address := d.self.config.Sync
	d.host, err = link.New(link.Config{
		Key: d.self.keys.Peer, Listen: address, Allow: d.self.directory.Allows, MaxConns: maxPeers, Log: d.opts.Log,
	})
	if errors.Is(err, link.ErrPortTaken) {
		return PortTaken(address, err)
	}
	if err != nil {
		return fmt.Errorf("listen for other nodes on %s: %w", address, err)
	}
	d.onClose(d.host.Close)
	return nil
}

// PortTaken is the sentence about a port that something else listens on.
func PortTaken(address string, err error) error {
	_, port, splitErr := net.SplitHostPort(address)
	if splitErr != nil {
		port = address
	}
	return &node.Error{Code: node.Unavailable, Err: err, Message: node.Text{
		VI: fmt.Sprintf("Cổng %s đang có chương trình khác dùng. Hãy dừng chương trình đó, hoặc chọn cổng khác bằng --listen.", port),
		EN: fmt.Sprintf("port %s is taken by another program; stop that, or choose other ports with --listen", port),
	}}
}

// openHub opens raft where the node is a member of a hub.
func (d *Daemon) openHub() (err error) {
	if d.self.claims.Role != identity.RoleHub {
		return nil
	}
	member, err := link.RaftAddress(d.self.claims.PeerKey)
	if err != nil {
		return err
	}
	var epoch uint64
	err = d.store.View(func(tx *store.Tx) (err error) {
		epoch, err = readEpoch(tx)
		return err
	})
	if err != nil {
		return err
	}
	d.hub, err = hub.Open(hub.Config{
		Epoch: epoch, Dir: filepath.Join(d.dir, dirRaft), Member: string(member), Store: hubStore{d.engine}, Sealer: raftSealer{d.ring.Keys()}, Log: d.opts.Log,
	})
	if err != nil {
		return err
	}
	d.onClose(d.hub.Close)
	return nil
}

// retryMax is how long a peer that can't be reached is left alone at most: a line
// that is back is used while an officer still looks.
const retryMax = 15 * time.Second

// openReplica prepares the lines to the peers that node.json names.
func (d *Daemon) openReplica() error {
	peers, err := d.peers()
	if err != nil {
		return err
	}
	d.replica, err = replica.New(d.replicaConfig(peers, d.carrier(peers)))
	return err
}

func (d *Daemon) replicaConfig(peers []replica.Peer, carrier replica.Carrier) replica.Config {
	return replica.Config{
		Root: d.self.authority, Certificate: d.self.certificate, Directory: d.self.directory,
		Scopes: d.self.config.Scopes, Peers: peers,
		Log: d.engine, Ingest: d.ingest, Sign: d.receipt, Hear: d.engine, Notes: d.engine, Files: d.travels, Checkpoints: decided{d}, Carrier: carrier, Meets: d.meets,
		Cut:  func(log crdt.LogID) (uint64, bool) { return d.engine.Authority(log.Scope).Cut(log) },
		Now:  func() time.Time { return d.opts.Now().In(d.Pack().Zone()) }, // hours of a line are the office's
		Rand: d.opts.Rand, Logger: d.opts.Log, RetryMax: retryMax,
	}
}

// cutLines is the local item that remembers which lines the demo has cut.
const cutLines = "cut"

func (d *Daemon) peers() ([]replica.Peer, error) {
	var peers []replica.Peer
	for _, p := range d.self.config.Peers {
		device, err := crdt.ParseDevice(p.Device)
		if err != nil {
			return nil, fmt.Errorf("node.json: peers: %w", err)
		}
		claims, ok := d.self.directory.ByDevice(device)
		if !ok {
			return nil, node.Errorf(node.Invalid,
				"node.json: máy %v chưa có chứng thư ở đây. Hãy chạy `vungxa repair --from BẢN_SAO_LƯU`, hoặc chép lại tệp chứng thư của nó từ nơi đã cấp vào thư mục certificates.",
				"node.json: there is no certificate here for the peer %v; run `vungxa repair --from BACKUP`, or copy its certificate's file again from who issued it into the directory certificates", device)
		}
		cut, err := d.engine.Local(cutLines, device.String())
		if err != nil {
			return nil, err
		}
		terms, err := p.Terms.terms()
		if err != nil {
			return nil, err
		}
		peers = append(peers, replica.Peer{
			Device: device, PeerKey: claims.PeerKey, Address: p.address(), Cut: string(cut) == "cut", Terms: terms,
		})
	}
	return peers, nil
}

// ingest takes verified segments in. Another branch of a log is kept; where the entry
// that it leaves isn't held, it is refused in the protocol's words.
func (d *Daemon) ingest(ctx context.Context, segments []*wire.Segment) error {
	err := d.takeIn(ctx, segments)
	if errors.Is(err, engine.ErrBranch) {
		return nil
	}
	if errors.Is(err, engine.ErrFork) {
		return reconcile.Refuse(reconcile.Fork, "%v", err)
	}
	return err
}

// takeIn takes segments in: on a hub through raft, but for what fills holes of this
// member alone; elsewhere at once.
func (d *Daemon) takeIn(ctx context.Context, segments []*wire.Segment) (err error) {
	if d.hub == nil {
		return d.engine.Ingest(ctx, segments)
	}
	if segments, err = d.engine.Heal(segments); err != nil || len(segments) == 0 {
		return err
	}
	if _, err := d.hub.Propose(ctx, segments); err != nil {
		return err
	}
	return d.taken(segments)
}

// taken says whether segments that raft has committed are held: applying drops
// what fits no more, and judges nothing.
func (d *Daemon) taken(segments []*wire.Segment) error {
	for _, s := range segments {
		held, err := d.engine.Holds(s)
		if err == nil && !held {
			err = fmt.Errorf("take in %v from %d: %w", s.Log, s.First, d.refusal(s))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// refusal is why a committed segment isn't held.
func (d *Daemon) refusal(s *wire.Segment) error {
	if err := d.engine.Fits(s); err != nil {
		return err
	}
	return errNotApplied
}

// errNotApplied says that a segment fits what is held and still isn't there: the
// sender may send it again.
var errNotApplied = errors.New("committed, and not yet applied here")

// receipt signs what this node holds durably; on a hub with the raft index that
// it had applied.
func (d *Daemon) receipt(_ context.Context, scope crdt.Scope, heads []identity.LogHead) (*identity.Receipt, error) {
	r := &identity.Receipt{Signer: d.self.claims.Device, Scope: scope, Heads: heads}
	if d.hub != nil {
		index, err := d.engine.Applied()
		if err != nil {
			return nil, err
		}
		r.HubEpoch, r.Index = d.hub.Epoch(), index
	}
	return r, r.Sign(d.sign)
}

// Cut cuts the demo's line to a device, or mends it, also for the next start.
func (d *Daemon) Cut(device string, cut bool) error {
	id, err := crdt.ParseDevice(device)
	if err != nil {
		return node.Errorf(node.Invalid, "Mã máy không đọc được: %w", "the device can't be read: %w", err)
	}
	if err := d.replica.SetCut(id, cut); err != nil {
		return node.Errorf(node.NotFound, "Nút này không có đường truyền tới máy đó: %w", "this node has no line to that device: %w", err)
	}
	state := "whole"
	if cut {
		state = "cut"
	}
	return d.engine.StoreLocal(cutLines, id.String(), []byte(state))
}
