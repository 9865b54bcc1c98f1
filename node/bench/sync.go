package bench

import (
	"errors"
	"time"
)

// SyncOptions say what Sync measures.
type SyncOptions struct {
	Dir      string   // on the disk that the nodes use; a temporary directory is made in it
	Records  int      // of the first exchange
	Carriers []string // which of bundle, libp2p and thin; none: all
	Lines    []string // which of SyncLines; none: all
	Up       string   // file with the trace of the drive's line up; "": no drive
	Down     string   // and down
	Seed     uint64   // of losses and of the records
	Now      func() time.Time
	Skipped  func(what, why string) // told of what isn't measured
}

// Names of the carriers.
const (
	carrierLibp2p = "libp2p"
	carrierThin   = "thin"
	carrierBundle = "bundle"
)

// Names of the lines that Sync measures on. The ruler has a round trip of half a second and
// no other fault: on it time is told in round trips.
const (
	lineRuler     = "ruler"
	lineLAN       = "lan"
	lineSlow      = "64kbit_300ms_5pct"
	lineSatellite = "64kbit_1500ms_10pct"
	lineDrive     = "umts_drive"
)

// SyncLines are the names of the lines.
var SyncLines = []string{lineRuler, lineLAN, lineSlow, lineSatellite, lineDrive}

// Budgets of syncing, DESIGN.md 11, in bytes with IP and UDP headers; they are the thin link's.
const (
	budgetIdle   = 256
	budgetEdit   = 160 + 130
	budgetSaves  = 2000
	savesOffline = 300
	savesRecords = 100 // that these are spread over
)

// errNoTrace says why the drive wasn't measured.
var errNoTrace = errors.New("no trace is given (--up FILE --down FILE)")
