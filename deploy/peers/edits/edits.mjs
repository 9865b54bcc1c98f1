// What other CRDT libraries send for the edits of the wire benchmark: 300 edits, each
// its own change, of records of 20 fields that both sides hold; one edit; and how two
// replicas that hold the same find that out. Bytes of the library's own encoding,
// without transport, signature or encryption, which none of them has.
//
//	go test ./crdt/wire -run EditsForPeers -edits FILE && node edits.mjs FILE
import { readFileSync } from 'node:fs'
import * as automerge from '@automerge/automerge'
import { LoroDoc } from 'loro-crdt'
import * as yjs from 'yjs'

const work = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const tell = (peer, one, all, idle) => console.log(JSON.stringify({ peer, one_edit: one, edits_300: all, idle, edits: work.edits.length }))

// One document of all records in each library: a document for each record costs more.
// Words are values, as in the others: Automerge would make texts of them, which two can
// type into and which cost several times as much.
const asValue = (v) => typeof v === 'string' ? new automerge.ImmutableString(v) : Array.isArray(v) ? v.map(asValue) : v

function withAutomerge() {
  const records = Object.fromEntries(Object.entries(work.records).map(([id, fields]) =>
    [id, Object.fromEntries(Object.entries(fields).map(([field, v]) => [field, asValue(v)]))]))
  let doc = automerge.change(automerge.init(), (d) => { d.records = records })
  const start = automerge.clone(doc)
  const step = ({ record, field, value }) => { doc = automerge.change(doc, (d) => { d.records[record][field] = asValue(value) }) }
  const since = () => automerge.getChanges(start, doc).reduce((n, c) => n + c.length, 0)
  step(work.edits[0])
  const one = since()
  work.edits.slice(1).forEach(step)
  const whole = automerge.saveSince(doc, automerge.getHeads(start)).length
  const [, hello] = automerge.generateSyncMessage(doc, automerge.initSyncState())
  tell('automerge', one, Math.min(since(), whole), hello.length)
}

function withLoro() {
  const doc = new LoroDoc()
  const records = doc.getMap('records')
  for (const [id, fields] of Object.entries(work.records)) records.set(id, fields)
  doc.commit()
  // Fields are cells of their own, so that two officers can edit one record.
  for (const id of Object.keys(work.records)) {
    const map = doc.getMap('r' + id)
    for (const [field, value] of Object.entries(work.records[id])) map.set(field, value)
  }
  doc.commit()
  const start = doc.version()
  const step = ({ record, field, value }) => { doc.getMap('r' + record).set(String(field), value); doc.commit() }
  const since = () => doc.export({ mode: 'update', from: start }).length
  step(work.edits[0])
  const one = since()
  work.edits.slice(1).forEach(step)
  tell('loro', one, since(), doc.version().encode().length)
}

function withYjs() {
  const doc = new yjs.Doc()
  const records = doc.getMap('records')
  doc.transact(() => {
    for (const [id, fields] of Object.entries(work.records)) records.set(id, new yjs.Map(Object.entries(fields)))
  })
  const start = yjs.encodeStateVector(doc)
  const step = ({ record, field, value }) => records.get(String(record)).set(String(field), value)
  // Yjs keeps deletions in a set of their own, which every update carries whole.
  const since = () => yjs.encodeStateAsUpdate(doc, start).length
  step(work.edits[0])
  const one = since()
  work.edits.slice(1).forEach(step)
  tell('yjs', one, since(), yjs.encodeStateVector(doc).length)
}

withAutomerge()
withLoro()
withYjs()
