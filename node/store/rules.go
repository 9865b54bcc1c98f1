package store

// Rules are the rules that keep a store honest, as switches. All hold always; a
// test turns one off to see that something fails without it.
type Rules uint16

// The rules. DESIGN.md says what each answers.
const (
	RuleSync       Rules = 1 << iota // a commit is on the disk before Update returns
	RuleEncryption                   // Badger encrypts what it writes
	RuleMAC                          // every value ends in a keyed MAC, checked at each read
	RuleHeads                        // Badger's commit number and log heads are held to those outside
	RuleWAL                          // write-ahead logs are held to their digests
	RuleManifest                     // the MANIFEST is held to its digest
	RuleTables                       // tables and the key registry are held to their digests
	RuleValueLog                     // nothing is in the value log, and what lies there is thrown away
	RuleProbe                        // a suspect store is opened in a child process first
)

// keeps says whether a rule holds.
func (o Options) keeps(r Rules) bool { return o.Without&r == 0 }
