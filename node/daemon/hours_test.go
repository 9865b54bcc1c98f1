package daemon_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/vungxa/vungxa/node/daemon"
)

// The hours in which a line may be used are the office's, wherever the machine thinks it is.
func TestHoursOfALineAreTheOffices(t *testing.T) {
	o := restOptions()
	o.Now = func() time.Time { return time.Date(2026, 11, 23, 20, 0, 0, 0, time.UTC) }
	d, err := daemon.OpenOffice(filepath.Join(provision(t), "box"), o)
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, d)
	if at := d.ReplicaConfig(nil, nil).Now(); at.Hour() != 3 || !at.Equal(o.Now()) {
		t.Errorf("it is %v; want three in the morning", at)
	}
}
