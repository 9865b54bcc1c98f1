// Automerge's own sync protocol over TCP: each message behind its length (4 bytes) and,
// with a document for each record, the document's number (4 bytes). Documents are in
// memory; what each end remembers of the other is kept as the library keeps it. Words
// are values (ImmutableString), not texts that two can type into, which cost more.
import net from 'node:net'
import * as A from '@automerge/automerge'

export async function end({ role, host, port, each }) {
  const docs = new Map(), states = new Map() // by document's number
  const apart = new Set() // numbers of those of which the other end isn't known to hold the same
  const actor = role === 'box' ? '01'.repeat(16) : '02'.repeat(16)
  const numberOf = (id) => each ? Number(id.slice(1)) : 0
  let socket, told = () => {}

  const docOf = (n) => docs.get(n) ?? A.init({ actor })
  const say = (n) => {
    const [state, message] = A.generateSyncMessage(docOf(n), states.get(n) ?? A.initSyncState())
    states.set(n, state)
    if (message) socket.write(frame(each, n, message))
  }
  const hear = (n, message) => {
    const [doc, state] = A.receiveSyncMessage(docOf(n), states.get(n) ?? A.initSyncState(), message)
    docs.set(n, doc)
    states.set(n, state)
    say(n)
    compare(n)
    told()
  }
  // A connection begins with what is remembered of the other end. The box speaks first: if
  // both did, what is new would be sent twice.
  const begin = (s) => {
    socket = s.setNoDelay(true)
    s.on('data', frames(each, hear))
    for (const [n, state] of states) states.set(n, A.decodeSyncState(A.encodeSyncState(state)))
    docs.forEach((_, n) => apart.add(n))
    if (role === 'province') return
    s.cork()
    if (each) docs.forEach((_, n) => say(n))
    else say(0)
    process.nextTick(() => s.uncork())
  }
  const compare = (n) => {
    const theirs = states.get(n)?.theirHeads
    const same = docs.has(n) && theirs && A.getHeads(docs.get(n)).join() === theirs.join()
    same ? apart.delete(n) : apart.add(n)
  }
  const same = () => apart.size === 0
  const until = (holds) => new Promise((resolve) => {
    told = () => { if (holds()) { told = () => {}; resolve() } }
    told()
  })

  if (role === 'province') {
    const server = net.createServer((s) => { s.on('error', () => s.destroy()); begin(s) })
    await new Promise((resolve) => server.listen(port, host, resolve))
  }
  const meet = async () => {
    const s = net.connect({ host, port })
    await new Promise((resolve, reject) => { s.once('connect', resolve); s.once('error', reject) })
    if (!each && docs.size === 0) docs.set(0, A.init({ actor }))
    begin(s)
    await until(same)
  }
  return {
    meet,
    stand: () => socket && !socket.destroyed ? undefined : meet(),
    arrived: () => until(same),
    part: async () => { socket?.destroy() },
    async save(id, values) {
      const n = numberOf(id)
      docs.set(n, A.change(docOf(n), (d) => {
        // An assignment's own value is the plain object, not the document's.
        d.records ??= {}
        d.records[id] ??= {}
        for (const [field, value] of Object.entries(values)) d.records[id][field] = asValue(value)
      }))
      apart.add(n)
      if (socket && !socket.destroyed) say(n)
    },
    async records() {
      return JSON.parse(JSON.stringify(Object.assign({}, ...[...docs.values()].map((doc) => A.toJS(doc).records ?? {})), (_, v) =>
        A.isImmutableString(v) ? v.val : v))
    },
  }
}

const asValue = (v) => typeof v === 'string' ? new A.ImmutableString(v) : Array.isArray(v) ? v.map(asValue) : v

function frame(each, n, message) {
  const head = Buffer.alloc(each ? 8 : 4)
  head.writeUInt32BE(message.length)
  if (each) head.writeUInt32BE(n, 4)
  return Buffer.concat([head, message])
}

// frames cuts what comes into messages.
function frames(each, hear) {
  const head = each ? 8 : 4
  let parts = [], have = 0
  return (part) => {
    parts.push(part)
    have += part.length
    for (;;) {
      if (have < head) return
      if (parts[0].length < head) parts = [Buffer.concat(parts)]
      const length = head + parts[0].readUInt32BE(0)
      if (have < length) return
      const all = Buffer.concat(parts)
      parts = [all.subarray(length)]
      have -= length
      hear(each ? all.readUInt32BE(4) : 0, all.subarray(head, length))
    }
  }
}
