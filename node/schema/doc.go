// Package schema reads collections from data: what fields a dossier has, what
// may stand in them, how they are named in both languages, how they merge, and
// which combinations are odd. Forms, lists, validation, search and sorting are
// all derived from it, so a new collection is a YAML file and no program.
//
// # A pack
//
// A pack is a directory of YAML files (FORMAT.md describes every key). [Load]
// joins them with any number of overlay directories, which may add collections
// and code lists but change none, and refuses the whole pack when anything in
// it is wrong; the error names file, line and key, and says what to do.
//
// Fields are known by number (Field.ID) in logs and stores and by name
// everywhere else. A number, its name, type and merge kind are fixed for ever;
// labels, code lists, policies, limits and checks may change with the pack.
//
// # Values
//
// In Go a value is one of: nil (missing), string (text, multiline, code, and
// date as "2006-01-02"), bool, int64 (integer, and datetime as milliseconds
// since 1970-01-01T00:00:00Z), []string (list). [Field.Parse] makes them from
// JSON, [Field.Present] turns them back, [Field.Encode] and [Field.Decode] are
// their canonical CBOR. There is one form of nothing: an empty text or list is
// missing.
//
// Text is brought to NFC and trimmed; nothing else in it is changed, so what
// was typed is what is shown.
//
// # Refused or flagged
//
// [Collection.Validate] names what refuses a save: a required field left empty,
// or a check of severity refuse. [Collection.Flags] names what marks a record
// and lets it in: data that come from elsewhere are odd, and a record that is
// kept and marked can be mended, while one that was turned away is lost.
//
// # Code lists without a source
//
// A closed list takes its own codes only. An open list is one of which no
// official text was at hand: any code is taken and the items, if any, are
// suggestions. Items that an office imports later are added with
// [Pack.WithItems], to open lists only.
package schema
