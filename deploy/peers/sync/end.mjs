// One end of a line: a box that saves and calls, or a province that is called. It does
// what it is told on its standard input, a word and arguments a line, and answers each
// with a line of JSON.
//
//	node end.mjs PEER ROLE HOST PORT DIR WORK
//
// WORK is the file that TestEditsForPeers of node/bench writes.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import * as automerge from './automerge.mjs'
import * as pouchdb from './pouchdb.mjs'

const peers = {
  pouchdb: (place) => pouchdb.end(place),
  automerge: (place) => automerge.end({ ...place, each: false }),
  'automerge-each': (place) => automerge.end({ ...place, each: true }),
}

const [peer, role, host, port, dir, file] = process.argv.slice(2)
const work = JSON.parse(readFileSync(file, 'utf8'))
const end = await peers[peer]({ role, host, port: Number(port), dir })
const name = (i) => `r${i}`

const deeds = {
  // load FIELD: saves the records of the work, each by itself.
  load: async (field) => { for (const [i, values] of work[field].entries()) await end.save(name(i), values) },
  // edit FROM COUNT: saves so many edits of the work, each by itself.
  edit: async (from, count) => {
    for (const { record, values } of work.edits.slice(Number(from)).slice(0, Number(count))) await end.save(name(record), values)
  },
  meet: () => end.meet(), // connects; done when both hold the same, and this end knows
  stand: () => end.stand(), // connects, and stays so
  arrived: () => end.arrived(), // done when the other end has what was saved here while connected
  part: () => end.part(),
  digest: async () => digest(await end.records()),
  // wanted FIELD COUNT: the digest that the work's records have after so many edits.
  wanted: (field, count) => {
    const records = Object.fromEntries(work[field].map((values, i) => [name(i), { ...values }]))
    for (const { record, values } of work.edits.slice(0, Number(count))) Object.assign(records[name(record)], values)
    return digest(records)
  },
  ready: () => true,
}

// digest is of all records with their values, in an order of its own.
function digest(records) {
  const sorted = (v) => v && typeof v === 'object' && !Array.isArray(v)
    ? Object.fromEntries(Object.keys(v).sort().map((k) => [k, sorted(v[k])]))
    : v
  return `${Object.keys(records).length} records ${createHash('sha256').update(JSON.stringify(sorted(records))).digest('hex')}`
}

for await (const line of createInterface({ input: process.stdin })) {
  const [deed, ...args] = line.split(' ')
  try {
    console.log(JSON.stringify({ answer: (await deeds[deed](...args)) ?? null }))
  } catch (e) {
    console.log(JSON.stringify({ error: `${deed}: ${e.stack ?? JSON.stringify(e)}` }))
  }
}
process.exit(0)
