package crdt

// Checkpoint is what the hub has decided for a scope, as what is new since the
// checkpoint before it. The hub's members sign it; who hands it to an Authority
// has verified that, and gives the hash of its canonical bytes.
type Checkpoint struct {
	Scope     Scope
	At        Cite // hub epoch and raft index; both only grow
	Prev      Hash // hash of the checkpoint before; zero at the first
	TimeMS    int64
	Heads     []Pin     // logs that the hub holds further than before; all of them at a new hub epoch
	Floor     []Pos     // what every counted device has acknowledged
	Witnesses []Witness // when the hub committed what
	Cuts      []Cut
	Verdicts  []Verdict
	Lapsed    []Device // that no longer hold the floor back
}

// Witness says that the hub committed a log's entries up to Seq, past those
// witnessed before, at a time: milliseconds since the Unix epoch, by a clock that
// never goes back.
type Witness struct {
	Log    LogID
	Seq    uint64
	TimeMS int64
}

// SubjectKind is what a cut is about.
type SubjectKind uint8

// The subjects of cuts.
const (
	SubjectDevice SubjectKind = iota
	SubjectOfficer
	SubjectGrant
)

// Subject is a device, an officer's key, or a grant: what an officer was allowed
// from one authority epoch to before another (0: without end). Past the cut of a
// grant, epochs before From are hidden too.
type Subject struct {
	Kind    SubjectKind
	Device  Device
	Officer string
	From    uint64
	Until   uint64
}

// Cut ends what a subject wrote: what lies past Logs is hidden. A log that isn't
// listed is cut at 0.
type Cut struct {
	Subject Subject
	Epoch   uint64 // the authority epoch that it begins
	Logs    []Pin  // sorted by log
}

// Ruling is what the hub says of one write.
type Ruling uint8

// The rulings. A later one of the same dot replaces an earlier one.
const (
	Confirmed Ruling = 1 + iota // a step of a workflow holds
	Rejected                    // it doesn't, and nothing that is built on it does
	Adopted                     // a supervisor has taken over what a cut hides
)

// Verdict is a ruling on one dot, made at a raft index. Reason is a code that a
// pack gives words.
type Verdict struct {
	Dot    Dot
	Ruling Ruling
	Index  uint64
	Reason string
}
