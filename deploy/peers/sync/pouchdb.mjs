// PouchDB at both ends, with LevelDB; the province's behind express-pouchdb. What one
// would set for a bad line is set: connections are kept, no set-up is asked for.
import http from 'node:http'
import express from 'express'
import expressPouchDB from 'express-pouchdb'
import PouchDB from 'pouchdb'

export const end = ({ role, ...place }) => role === 'box' ? box(place) : province(place)

const recordsOf = async (db) => {
  const { rows } = await db.allDocs({ include_docs: true })
  return Object.fromEntries(rows.map(({ id, doc: { _id, _rev, ...values } }) => [id, values]))
}

async function province({ host, port, dir }) {
  const Kept = PouchDB.defaults({ prefix: `${dir}/` })
  const app = express().use(expressPouchDB(Kept, { mode: 'minimumForPouchDB', inMemoryConfig: true }))
  const db = new Kept('records') // after the former, which lists the databases that are made
  await db.info()
  const server = http.createServer({ keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 }, app)
  await new Promise((resolve) => server.listen(port, host, resolve))
  return { records: () => recordsOf(db) }
}

async function box({ host, port, dir }) {
  const db = new PouchDB(`${dir}/records`)
  let agent, standing
  const remote = new PouchDB(`http://${host}:${port}/records`, {
    skip_setup: true, fetch: (url, options) => PouchDB.fetch(url, { ...options, agent }),
  })
  const saved = new Map(), pushed = new Map() // revisions by record
  // Node would have TCP ask each second whether a kept connection is there.
  const connect = () => { agent = new http.Agent({ keepAlive: true, keepAliveMsecs: 3_600_000 }) }
  const pushedAll = () => [...saved].every(([id, rev]) => pushed.get(id) === rev)

  return {
    records: () => recordsOf(db),
    async save(id, values) {
      const before = await db.get(id).catch((e) => { if (e.status !== 404) throw e; return { _id: id } })
      saved.set(id, (await db.put({ ...before, ...values })).rev)
    },
    async meet() {
      connect()
      const { push, pull } = await db.sync(remote)
      if (!push.ok || !pull.ok) throw new Error(JSON.stringify({ push, pull }))
      saved.clear()
    },
    async stand() {
      connect()
      standing = db.sync(remote, { live: true, retry: true })
      standing.on('change', ({ direction, change }) => {
        if (direction === 'push') for (const { _id, _rev } of change.docs) pushed.set(_id, _rev)
      })
      standing.catch((e) => { console.error(e); process.exit(1) })
      await Promise.all([standing.push, standing.pull].map((one) => new Promise((resolve) => one.once('paused', resolve))))
    },
    async arrived() {
      while (!pushedAll()) await new Promise((resolve) => standing.once('change', resolve))
      saved.clear()
    },
    async part() {
      if (standing) {
        const over = new Promise((resolve) => standing.once('complete', resolve))
        standing.cancel()
        await over
      }
      standing = undefined
      agent?.destroy()
    },
  }
}
